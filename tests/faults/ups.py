"""A running `doorstep up`, seen from outside."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.fixtures.processes import alive_with, command, environment, free_port, is_free, until

ENDS_WITHIN = 30
GONE_WITHIN = 10


@dataclass(frozen=True, slots=True)
class Up:
    """A running `doorstep up`."""

    leader: "subprocess.Popen[str]"
    data: Path
    port: int

    def status(self) -> int:
        """What the API answers to a stranger."""
        return httpx.get(f"http://127.0.0.1:{self.port}/health/ready").status_code

    def others(self) -> dict[int, str]:
        """Everything of this system but the leader."""
        found = alive_with(str(self.data))
        return {pid: words for pid, words in found.items() if pid != self.leader.pid}

    def end(self, sign: signal.Signals) -> int:
        """Tell the leader to end and return its exit code."""
        self.leader.send_signal(sign)
        self.leader.wait(ENDS_WITHIN)
        return self.leader.returncode

    def is_gone(self) -> bool:
        """Nothing of it lives and somebody else could have the port."""
        return not alive_with(str(self.data)) and is_free(self.port)


@contextlib.contextmanager
def up(data: Path, port: int | None = None, log: Path | None = None) -> Iterator[Up]:
    """Run `doorstep up` until it says it is up; nothing of it may be left afterwards."""
    port = port or free_port()
    words = ["up", "--port", str(port), "--data", str(data), "--json"]
    with contextlib.ExitStack() as stack:
        told_to = None if log is None else stack.enter_context(log.open("ab"))
        leader = stack.enter_context(
            subprocess.Popen(
                command(*words),
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=told_to,
                text=True,
            )
        )
        running = Up(leader, data, port)
        try:
            assert leader.stdout is not None
            told = json.loads(leader.stdout.readline())
            assert told["url"] == f"http://127.0.0.1:{port}"
            yield running
        finally:
            leader.kill()
            leader.wait()
            assert until(running.is_gone, GONE_WITHIN), alive_with(str(data))
