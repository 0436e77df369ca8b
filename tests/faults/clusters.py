"""A PostgreSQL of one run's own, durable as in production, that is restarted without a warning."""

import contextlib
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from backend.cli import first
from backend.embedded import Cluster, binaries, running
from backend.embedded.cluster import identity

TUNING = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_line_prefix": "%m [%p] %e ",
    "log_checkpoints": "off",
}


class Crashing:
    """A server that can be made to crash and come back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._users = contextlib.ExitStack()
        self._cluster: Cluster = self._users.enter_context(running(folder, tuning=TUNING))
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where the database is."""
        return self._cluster.url()

    def restart(self) -> None:
        """``pg_ctl restart -m immediate``: no checkpoint, no goodbye; recovery from the log.

        The warden who watched the old server has ended with it; a new user posts a new one.
        """
        done = subprocess.run(
            [
                str(binaries() / "pg_ctl"), "restart", "-m", "immediate", "-w", "-s",
                "-D", str(self._cluster.folder), "-l", str(self._cluster.log),
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, cwd="/", check=False, **identity(self._cluster),
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"pg_ctl restart failed: {done.stderr[-500:]}")
        self.restarts += 1
        before, self._users = self._users, contextlib.ExitStack()
        self._users.enter_context(running(self._folder, tuning=TUNING))
        before.close()

    def told(self) -> Counter[str]:
        """What its log told, by SQLSTATE."""
        words = (line.split(maxsplit=6) for line in self.log.splitlines() if " ERROR: " in line)
        return Counter(found[4] for found in words if len(found) > 4)

    @property
    def log(self) -> str:
        """Its whole log."""
        return self._cluster.log.read_text(errors="replace")

    def close(self) -> None:
        """Bring it down."""
        self._users.close()


@contextlib.contextmanager
def crashing(folder: Path) -> Iterator[Crashing]:
    """Provide a server with an empty, migrated installation in it."""
    server = Crashing(folder)
    try:
        first.make_ready(server.url)
        yield server
    finally:
        server.close()
