"""`doorstep up` as an operator meets it: it ends in order, and a killed leader leaves nothing."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.fixtures.processes import (
    alive_with,
    command,
    doorstep,
    environment,
    free_port,
    is_free,
    until,
)

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


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """One data folder for all tests here: each finds what the one before left behind."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-up-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def up(data: Path, port: int | None = None) -> Iterator[Up]:
    """Run `doorstep up` until it says it is up; nothing of it may be left afterwards."""
    port = port or free_port()
    words = ["up", "--port", str(port), "--data", str(data), "--json"]
    with subprocess.Popen(
        command(*words), env=environment(), stdout=subprocess.PIPE, text=True
    ) as leader:
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


def test_it_ends_in_order(data: Path) -> None:
    """SIGTERM ends it with 0 and leaves no process, even with a browser listening for events.

    Commands work beside it on the same data.
    """
    with up(data) as running:
        kinds = ("backend.cli serve", "backend.cli jobs", "backend.embedded", "bin/postgres")
        found = " ".join(running.others().values())
        assert [kind for kind in kinds if kind not in found] == []
        words = ("person", "add", "--email", "a@b.org", "--role", "admin", "--password-stdin")
        done = doorstep(*words, "--data", str(data), stdin="correct horse\n")
        assert done.returncode == 0, done.stderr
        base = f"http://127.0.0.1:{running.port}/console/v1"
        login = {"email": "a@b.org", "password": "correct horse"}
        token = httpx.post(f"{base}/sign-in", json=login).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{base}/events", headers=headers) as events:
            assert events.status_code == 200
            assert running.end(signal.SIGTERM) == 0
        assert running.others() == {}
        assert is_free(running.port)


def test_a_killed_leader_leaves_nothing(data: Path) -> None:
    """After kill -9 the rest ends and the port is free; `up` works again, even without waiting."""
    with up(data) as first:
        assert len(first.others()) >= 4
        first.leader.kill()
        first.leader.wait()
        assert until(first.is_gone, GONE_WITHIN), first.others()
    with up(data, first.port) as second:
        assert second.status() == 200
        second.leader.kill()
        second.leader.wait()
        with up(data, first.port) as third:
            assert third.status() == 200


def test_a_dead_part_ends_the_whole(data: Path) -> None:
    """If the API is killed, the rest does not go on without it; the exit code says so."""
    with up(data) as running:
        serve = next(p for p, words in running.others().items() if "backend.cli serve" in words)
        os.kill(serve, signal.SIGKILL)
        running.leader.wait(ENDS_WITHIN)
        assert running.leader.returncode == 1
        assert until(running.is_gone, GONE_WITHIN), running.others()


def test_a_second_one_is_told_about_the_first(data: Path) -> None:
    """On the same data it says where the first is, on the same port what to do; Ctrl-C ends it."""
    with up(data) as running, tempfile.TemporaryDirectory(dir="/tmp") as other:
        same_data = doorstep("up", "--port", str(free_port()), "--data", str(data))
        assert same_data.returncode == 1
        assert f"already up at http://127.0.0.1:{running.port}" in same_data.stderr
        same_port = doorstep("up", "--port", str(running.port), "--data", other)
        assert same_port.returncode == 1
        assert f"port {running.port} on 127.0.0.1 is taken" in same_port.stderr
        assert "--port" in same_port.stderr
        assert running.status() == 200
        assert running.end(signal.SIGINT) == 0
        assert running.others() == {}
