"""Our server in a process of its own, which ends when we end, however that is."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.cli import lifeline
from backend.settings import Settings

_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its process, which is the root of its tree, and its port."""

    pid: int
    port: int


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    """Run `doorstep serve` for the length of the block."""
    port, (reading, writing) = free_port(), os.pipe()
    environ = {
        **os.environ,
        "DOORSTEP_DATABASE_URL": str(settings.database_url),
        "DOORSTEP_DATA": str(settings.data),
        "PYTHONPATH": str(_ROOT),
        lifeline.VARIABLE: str(reading),
    }
    command = [sys.executable, "-m", "backend.cli", "serve", "--port", str(port)]
    with subprocess.Popen(
        command, env=environ, cwd=_ROOT, pass_fds=(reading,), start_new_session=True
    ) as process:
        try:
            _await(process, port)
            yield Server(process.pid, port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(reading)
            os.close(writing)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(line), contextlib.suppress(OSError, http.client.HTTPException):
            line.request("GET", "/health/ready")
            if line.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("the server did not become ready")
