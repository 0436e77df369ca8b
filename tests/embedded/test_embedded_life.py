"""An embedded PostgreSQL starts with its first user and ends with its last, come what may."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.embedded import Cluster, EmbeddedFailed, is_listening, running
from backend.embedded.cluster import SOCKET_NAME
from backend.embedded.server import server_pid
from tests.embedded.users import enter, leave, said, servers, warden_of
from tests.fixtures.processes import alive_with, until


@pytest.fixture
def data(short_folder: Path) -> Iterator[Path]:
    """A data folder; nobody may be left running in it."""
    yield short_folder
    assert until(lambda: not alive_with(str(short_folder)), 10), alive_with(str(short_folder))


def test_two_who_race_share_one_server(data: Path) -> None:
    """Both get in, on one server, and it is gone when the second leaves, not before."""
    first, second = enter(data), enter(data)
    assert (said(first), said(second)) == ("in", "in")
    assert len(servers(data)) == 1
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


def test_a_power_cut_leaves_nothing_in_the_way(data: Path) -> None:
    """What all of them leave behind when they die at once does not keep the next from starting."""
    user, cluster = enter(data), Cluster(data)
    assert said(user) == "in"
    for pid in (user.pid, warden_of(data), server_pid(cluster)):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    user.communicate()
    assert until(lambda: not alive_with(str(data)), 10)
    assert (cluster.folder / "postmaster.pid").exists()
    with running(data):
        assert is_listening(cluster)


def test_a_strangers_process_number_is_no_server(data: Path) -> None:
    """A stale pid file that names a living, innocent process is not mistaken for our server."""
    names = ("postmaster.pid", f"{SOCKET_NAME}.lock")
    with running(data) as cluster:
        texts = [(cluster.folder / name).read_text() for name in names]
    for name, text in zip(names, texts, strict=True):
        _, _, rest = text.partition("\n")
        (cluster.folder / name).write_text(f"{os.getppid()}\n{rest}")
    assert server_pid(cluster) is None
    with running(data):
        assert is_listening(cluster)


def test_a_killed_warden_is_replaced(data: Path) -> None:
    """Without its warden the server still ends with the last user."""
    with running(data) as cluster:
        os.kill(warden_of(data), signal.SIGKILL)
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
