"""`doorstep up` as an operator meets it: it ends in order, and a killed leader leaves nothing."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.ups import ENDS_WITHIN, GONE_WITHIN, up
from tests.fixtures.processes import doorstep, free_port, is_free, until


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """One data folder for all tests here: each finds what the one before left behind."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-up-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


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
        assert same_port.stderr.count("\n") == 1, "said before anything else was begun"
        assert list(Path(other).iterdir()) == []
        assert running.status() == 200
        assert running.end(signal.SIGINT) == 0
        assert running.others() == {}
