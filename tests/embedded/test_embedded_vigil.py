"""Whoever uses an embedded server has it again soon after it was killed, and nobody else has."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from backend.embedded import Cluster, is_listening, running, vigil
from backend.embedded.server import server_pid
from backend.embedded.vigil import TRIES, pause
from tests.embedded.users import enter, leave, said, servers, warden_of, wardens
from tests.fixtures.processes import alive_with, until

BACK_WITHIN = 20


@pytest.fixture
def data(short_folder: Path) -> Iterator[Path]:
    """A data folder; nobody may be left running in it."""
    yield short_folder
    assert until(lambda: not alive_with(str(short_folder)), 10), alive_with(str(short_folder))


def kill(pid: int | None, sign: signal.Signals = signal.SIGKILL) -> None:
    """Kill a process that must be there."""
    assert pid is not None
    os.kill(pid, sign)


def is_back(cluster: Cluster, killed: int | None) -> bool:
    """Another server than the killed one listens."""
    return server_pid(cluster) not in (None, killed) and is_listening(cluster)


@pytest.mark.parametrize("sign", [signal.SIGQUIT, signal.SIGKILL])
def test_it_is_back_each_time(data: Path, sign: signal.Signals) -> None:
    """A server killed twice is there a third time; it is one, and it ends with its user."""
    with running(data) as cluster:
        for _ in range(2):
            killed = server_pid(cluster)
            kill(killed, sign)
            assert until(partial(is_back, cluster, killed), BACK_WITHIN)
        assert len(wardens(data)) == 1
    assert not is_listening(cluster)


def test_several_users_bring_back_one(data: Path) -> None:
    """Of three users one starts it again for all; it stays until the last of them leaves."""
    users, cluster = [enter(data) for _ in range(3)], Cluster(data)
    assert [said(user) for user in users] == ["in"] * 3
    killed = server_pid(cluster)
    kill(killed, signal.SIGQUIT)
    assert until(lambda: is_back(cluster, killed), BACK_WITHIN)
    for user in users:
        assert len(wardens(data)) == 1
        assert is_listening(cluster)
        leave(user)
    assert not is_listening(cluster)


def test_one_who_comes_while_it_is_down_has_it(data: Path) -> None:
    """Somebody who enters right after the server died starts it, and the one before has it too."""
    with running(data) as cluster:
        kill(server_pid(cluster), signal.SIGQUIT)
        with running(data):
            assert is_listening(cluster)
        assert is_listening(cluster)
        assert len(wardens(data)) == 1
    assert not is_listening(cluster)


def test_a_killed_warden_is_replaced_while_its_server_goes_on(data: Path) -> None:
    """The server is not touched; the new warden's is looked after like the old one's."""
    with running(data) as cluster:
        server, warden = server_pid(cluster), warden_of(data)
        kill(warden)
        assert until(lambda: warden not in wardens(data) and len(wardens(data)) == 1, BACK_WITHIN)
        assert server_pid(cluster) == server
        kill(server, signal.SIGQUIT)
        assert until(lambda: is_back(cluster, server), BACK_WITHIN)
    assert not is_listening(cluster)


def test_warden_and_server_killed_at_once_are_back(data: Path) -> None:
    """Nobody is left who could tell of it, and the server comes back all the same."""
    with running(data) as cluster:
        server = server_pid(cluster)
        kill(warden_of(data))
        kill(server)
        assert until(lambda: is_back(cluster, server), BACK_WITHIN)


def test_who_leaves_while_it_is_down_leaves_nothing(data: Path) -> None:
    """At whichever step between death and return the last user leaves, no process stays."""
    cluster = Cluster(data.resolve())
    steps: list[Callable[[], bool]] = [
        lambda: True,
        lambda: not wardens(data),
        lambda: len(wardens(data)) == 1,
        lambda: server_pid(cluster) is not None,
        lambda: is_listening(cluster),
    ]
    for number in range(len(steps)):
        with running(data):
            kill(server_pid(cluster), signal.SIGQUIT)
            for step in steps[1 : number + 1]:
                assert until(step, BACK_WITHIN)
        assert server_pid(cluster) is None
        assert until(lambda: not alive_with(str(data)), 10), alive_with(str(data))


def test_a_neighbour_is_not_disturbed(data: Path) -> None:
    """Of two installations only the one whose server was killed has another one."""
    with running(data / "one") as one, running(data / "two") as two:
        killed, kept = server_pid(one), server_pid(two)
        kill(killed, signal.SIGQUIT)
        assert until(lambda: is_back(one, killed), BACK_WITHIN)
        assert server_pid(two) == kept


def test_nothing_is_set_up_anew_for_one_that_is_gone(data: Path) -> None:
    """A server whose files were taken away is not replaced by an empty one."""
    with running(data) as cluster:
        server = server_pid(cluster)
        taken = cluster.folder.rename(data / "taken")
        kill(server)
        assert until(lambda: not servers(data), 10)
        assert not until(cluster.folder.exists, 3)
        taken.rename(cluster.folder)
        assert until(lambda: is_back(cluster, None), BACK_WITHIN)


def test_who_cannot_bring_it_back_is_told_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all tries, each at once here, the reason has PostgreSQL's own words."""
    monkeypatch.setattr(vigil, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(vigil, "LOOK_SECONDS", 0.0)
    told: list[str] = []
    with running(data, lost=told.append) as cluster:
        with (data / "postgres" / "postgresql.conf").open("a") as settings:
            settings.write("no such setting = = 1\n")
        kill(server_pid(cluster))
        assert until(lambda: bool(told), BACK_WITHIN)
    (reason,) = told
    assert f"in {TRIES} further starts" in reason
    assert "postgresql.conf" in reason


def test_pauses_double_and_are_bounded() -> None:
    """Half a second first, ten at most, half a minute in all."""
    assert [pause(tries) for tries in range(TRIES)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
