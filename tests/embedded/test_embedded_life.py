"""An embedded PostgreSQL starts with its first user and ends with its last, come what may."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.embedded import Cluster, EmbeddedFailed, is_listening, running
from backend.embedded.server import server_pid
from tests.fixtures.processes import ROOT, alive_with, environment, until

USER = """
import sys
from pathlib import Path
from backend.embedded import running
with running(Path(sys.argv[1]), tuning={"fsync": "off"}):
    print("in", flush=True)
    sys.stdin.read()
print("out", flush=True)
"""


@pytest.fixture
def data(short_folder: Path) -> Iterator[Path]:
    """A data folder; nobody may be left running in it."""
    yield short_folder
    assert until(lambda: not alive_with(str(short_folder)), 10), alive_with(str(short_folder))


def enter(data: Path) -> "subprocess.Popen[str]":
    """Begin to use the server in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
        text=True,
    )


def said(user: "subprocess.Popen[str]") -> str:
    """The next thing the user says."""
    assert user.stdout is not None
    return user.stdout.readline().strip()


def leave(user: "subprocess.Popen[str]") -> None:
    """Let the user go in order."""
    user.communicate()
    assert user.returncode == 0


def test_two_who_race_share_one_server(data: Path) -> None:
    """Both get in, on one server, and it is gone when the second leaves, not before."""
    first, second = enter(data), enter(data)
    assert (said(first), said(second)) == ("in", "in")
    servers = [words for words in alive_with(str(data)).values() if "bin/postgres" in words]
    assert len(servers) == 1
    leave(first)
    assert is_listening(Cluster(data))
    leave(second)
    assert not is_listening(Cluster(data))


def test_a_killed_user_counts_as_gone(data: Path) -> None:
    """After kill -9 of the only user the server ends by itself, and a next one may come."""
    user = enter(data)
    assert said(user) == "in"
    user.kill()
    user.communicate()
    assert until(lambda: not alive_with(str(data)), 10)
    with running(data):
        assert is_listening(Cluster(data))


def test_a_killed_server_is_started_again(data: Path) -> None:
    """A postmaster.pid left by kill -9 of the server does not keep the next one from starting."""
    with running(data) as cluster:
        pid = server_pid(cluster)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: server_pid(cluster) is None and not is_listening(cluster), 10)
        assert (cluster.folder / "postmaster.pid").exists()
    with running(data) as cluster:
        assert is_listening(cluster)


def test_a_strangers_process_number_is_no_server(data: Path) -> None:
    """A stale pid file that names a living, innocent process is not mistaken for our server."""
    with running(data) as cluster:
        text = (cluster.folder / "postmaster.pid").read_text()
    _, _, rest = text.partition("\n")
    (cluster.folder / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}")
    assert server_pid(cluster) is None
    with running(data):
        assert is_listening(cluster)


def test_a_killed_warden_is_replaced(data: Path) -> None:
    """Without its warden the server still ends with the last user."""
    with running(data) as cluster:
        others = alive_with(str(data)).items()
        warden = next(pid for pid, words in others if "-m backend.embedded" in words)
        os.kill(warden, signal.SIGKILL)
    assert not is_listening(cluster)


def test_only_its_account_and_root_can_reach_it(data: Path) -> None:
    """The server listens on no network, and its socket lies in a folder closed to others."""
    with running(data) as cluster:
        mode = cluster.socket_folder.stat().st_mode
        addresses = (cluster.folder / "postmaster.pid").read_text().split("\n")[5]
    assert stat.S_IMODE(mode) == 0o700
    assert addresses.strip() == ""


def test_a_long_path_gets_a_short_socket(data: Path) -> None:
    """A data folder whose path is too long for a socket's address works all the same."""
    deep = data / ("d" * 60) / ("e" * 60)
    with running(deep) as cluster:
        assert not cluster.socket_folder.is_relative_to(data)
        assert is_listening(cluster)
    assert not cluster.socket_folder.exists()


def test_somebody_elses_socket_folder_is_refused(data: Path) -> None:
    """A folder planted in /tmp where our socket would go is not used."""
    deep = data / ("f" * 60) / ("g" * 60)
    planted = Cluster(deep).socket_folder
    planted.mkdir(mode=0o777)
    planted.chmod(0o777)
    try:
        with pytest.raises(EmbeddedFailed, match="not a private folder"), running(deep):
            pass
    finally:
        planted.rmdir()
