"""Who needs the embedded server, kept as file locks, because locks die with their holders.

Each user holds ``users`` shared for as long as he lives. A small warden process, started along with
the server, waits for it exclusively: it gets it when the last user is gone, by `exit` or by
`kill -9`, stops the server and ends. ``start`` lets one process at a time come or go. A server that
dies while it is used is started again by its users (`vigil`).
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from backend.embedded.cluster import Cluster, EmbeddedFailed
from backend.embedded.locks import held, opened, taken
from backend.embedded.server import log_tail, prepare, stop, tidy, wait_until_ready
from backend.embedded.vigil import Vigil
from backend.embedded.warden import collect, is_posted, post

_log = logging.getLogger("doorstep.embedded")


@contextlib.contextmanager
def running(
    data: Path,
    *,
    tuning: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    lost: Callable[[str], None] = _log.error,
) -> Iterator[Cluster]:
    """Provide the server of a data folder for the length of the block.

    Should it die meanwhile, it is started again within seconds; connections to it are cut then.

    Args:
        data: where the server lives, or will.
        tuning: PostgreSQL settings, used if it is us who start it.
        tell: called with what is going on, before anything that takes time.
        lost: called with the reason, in another thread and once, if the server died and could not
            be started again; by default that is logged.

    Raises:
        EmbeddedFailed: it could not be set up or started.
    """
    cluster = Cluster(data.resolve())
    cluster.data.mkdir(mode=0o711, parents=True, exist_ok=True)
    users = _enter(cluster, tuning or {}, tell)
    vigil = Vigil(cluster, tuning or {}, lost)
    try:
        vigil.begin()
        yield cluster
    finally:
        try:
            vigil.end()
        finally:
            _leave(cluster, users)


def _enter(cluster: Cluster, tuning: Mapping[str, str], tell: Callable[[str], None]) -> int:
    with held(cluster.lock("start")):
        users = opened(cluster.lock("users"))
        try:
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a warden is stopping the server
            # The warden we rely on may be about to end, with a server that died before we came.
            if not _start(cluster, tuning, tell) and not _start(cluster, tuning, tell):
                raise EmbeddedFailed(f"PostgreSQL ends as soon as it starts\n{log_tail(cluster)}")
        except BaseException:
            os.close(users)
            raise
    return users


def _start(cluster: Cluster, tuning: Mapping[str, str], tell: Callable[[str], None]) -> bool:
    """Return when the server is there; False if it was another's, and that one ended."""

    def make_ready() -> None:
        prepare(cluster, tell)
        tell("starting PostgreSQL")

    ours = post(cluster, tuning, make_ready)
    try:
        wait_until_ready(cluster, lambda: is_posted(cluster))
    except EmbeddedFailed:
        if ours or is_posted(cluster):
            raise
        return False
    return True


def _leave(cluster: Cluster, users: int) -> None:
    """Let go; the last one comes back only when the server is down."""
    with held(cluster.lock("start")):
        fcntl.flock(users, fcntl.LOCK_UN)
        if taken(users, fcntl.LOCK_EX):
            fcntl.flock(users, fcntl.LOCK_UN)
            with held(cluster.lock("warden")):  # free when the warden has done its work
                stop(cluster)  # nothing left to do, unless somebody killed the warden
        else:
            fcntl.flock(users, fcntl.LOCK_SH)  # at once if others stay, else after the warden
            tidy(cluster)  # the warden ends with its server, perhaps before it has tidied up
    os.close(users)
    collect()
