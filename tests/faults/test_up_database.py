"""`doorstep up` whose own database dies under it: it heals, or ends and says so."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from backend.embedded import Cluster
from backend.embedded.server import server_pid
from tests.faults.ups import Up, up
from tests.fixtures.processes import doorstep, until

HEALS_WITHIN = 30
GIVES_UP_WITHIN = 90
QUIET_BYTES = 120_000  # before: 45,000 a second


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder of one test's own."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-upd-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def kill_database(running: Up, sign: signal.Signals = signal.SIGQUIT) -> int:
    """Kill the postmaster and return its number once nothing answers in its place."""
    pid = server_pid(Cluster(running.data))
    assert pid is not None
    os.kill(pid, sign)
    assert until(lambda: server_pid(Cluster(running.data)) != pid, 10)
    return pid


def spoil(data: Path) -> None:
    """See to it that PostgreSQL does not start here any more."""
    with (data / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no such setting = = 1\n")


def all_sealed(data: Path) -> bool:
    """The jobs have sealed every entry of the log."""

    async def pending() -> int:
        connection = await asyncpg.connect(Cluster(data).url().replace("+asyncpg", "", 1))
        try:
            return int(await connection.fetchval("SELECT count(*) FROM audit_pending"))
        finally:
            await connection.close()

    return asyncio.run(pending()) == 0


@pytest.mark.parametrize("sign", [signal.SIGQUIT, signal.SIGKILL])
def test_a_dead_database_is_started_again(data: Path, tmp_path: Path, sign: signal.Signals) -> None:
    """By itself the API is ready and the jobs at work again, in the same processes; what was
    acknowledged is there, and the log stays small.
    """
    log = tmp_path / "up.log"
    words = ("person", "add", "--email", "a@b.org", "--role", "admin", "--password-stdin")
    login = {"email": "a@b.org", "password": "correct horse"}
    with up(data, log=log) as running:
        done = doorstep(*words, "--data", str(data), stdin="correct horse\n")
        assert done.returncode == 0, done.stderr
        base = f"http://127.0.0.1:{running.port}/console/v1"
        token = httpx.post(f"{base}/sign-in", json=login).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        depot = {"name": "East", "lat": 39.3, "lon": -76.6, "timezone": "America/New_York"}
        made = httpx.post(f"{base}/depots", json={"code": "EAST", **depot}, headers=headers)
        assert made.status_code == 201, made.text
        parts = {pid for pid, words in running.others().items() if "backend.cli" in words}
        killed = kill_database(running, sign)
        assert until(lambda: running.status() == 200, HEALS_WITHIN), log.read_text()[-3000:]
        assert server_pid(Cluster(data)) not in (killed, None)
        made = httpx.post(f"{base}/depots", json={"code": "NORTH", **depot}, headers=headers)
        assert made.status_code == 201, made.text
        depots = httpx.get(f"{base}/depots", headers=headers)
        assert [code for code in ("EAST", "NORTH") if code not in depots.text] == []
        assert until(lambda: all_sealed(data), HEALS_WITHIN)
        assert parts <= running.others().keys()
        assert "started again" in log.read_text()
        assert log.stat().st_size < QUIET_BYTES
        assert running.end(signal.SIGTERM) == 0
        assert running.others() == {}


def test_it_ends_in_order_while_its_database_is_down(data: Path) -> None:
    """SIGTERM and Ctrl-C end it with 0 whether the database is down, coming back or cannot."""
    for sign, forever in ((signal.SIGTERM, False), (signal.SIGINT, True)):
        with up(data) as running:
            if forever:
                spoil(data)
            kill_database(running)
            assert running.end(sign) == 0
            assert running.others() == {}


@pytest.mark.soak  # half a minute of pauses; what a vigil does after them is in tests/embedded
def test_a_database_that_cannot_come_back_ends_the_whole(data: Path, tmp_path: Path) -> None:
    """After some tries `up` ends with 1 and PostgreSQL's own words, so that a service manager sees
    it; what repeats in between is counted.
    """
    log = tmp_path / "up.log"
    with up(data, log=log) as running:
        spoil(data)
        kill_database(running)
        running.leader.wait(GIVES_UP_WITHIN)
        told = log.read_text()
        assert running.leader.returncode == 1, told[-3000:]
        assert "did not stay up" in told
        assert "postgresql.conf" in told
        assert log.stat().st_size < QUIET_BYTES
        assert running.others() == {}
