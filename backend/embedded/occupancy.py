"""Who needs the embedded server, kept as file locks, because locks die with their holders.

Each user holds ``users`` shared for as long as he lives. A small warden process, started along with
the server, waits for it exclusively: it gets it when the last user is gone, by `exit` or by
`kill -9`, stops the server and ends. ``start`` lets one process at a time come or go.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from backend.embedded.cluster import Cluster, EmbeddedFailed
from backend.embedded.server import (
    is_listening,
    launch,
    prepare,
    server_pid,
    stop,
    tidy,
    wait_until_ready,
)

_ROOT = Path(__file__).parents[2]
_wardens: list[subprocess.Popen[bytes]] = []


@contextlib.contextmanager
def running(
    data: Path,
    *,
    tuning: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Cluster]:
    """Provide the server of a data folder for the length of the block.

    Args:
        data: where the server lives, or will.
        tuning: PostgreSQL settings, used if it is us who start it.
        tell: called with what is going on, before anything that takes time.
    """
    cluster = Cluster(data.resolve())
    cluster.data.mkdir(mode=0o711, parents=True, exist_ok=True)
    users = _enter(cluster, tuning or {}, tell)
    try:
        yield cluster
    finally:
        _leave(cluster, users)


def watch(cluster: Cluster, tuning: Mapping[str, str] | None) -> None:
    """Live a warden's life: start the server if told to, wait until nobody needs it, stop it."""
    server = None if tuning is None else launch(cluster, tuning)
    threading.Thread(target=_end_with, args=(cluster, server), daemon=True).start()
    with _held(cluster.lock("users")):
        stop(cluster)


def _end_with(cluster: Cluster, server: subprocess.Popen[bytes] | None) -> None:
    """Collect the dead server and leave the post, so that the next user posts a fresh warden."""
    if server is not None:
        server.wait()
    while server_pid(cluster) is not None:  # one that an earlier warden started
        time.sleep(1.0)
    os._exit(0)


def _enter(cluster: Cluster, tuning: Mapping[str, str], tell: Callable[[str], None]) -> int:
    with _held(cluster.lock("start")):
        users = _open(cluster.lock("users"))
        try:
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a warden is stopping the server
            if is_listening(cluster):
                _post_warden(cluster, None)
            else:
                prepare(cluster, tell)
                tell("starting PostgreSQL")
                _post_warden(cluster, tuning)
            wait_until_ready(cluster, lambda: _is_posted(cluster))
        except BaseException:
            os.close(users)
            raise
    return users


def _leave(cluster: Cluster, users: int) -> None:
    """Let go; the last one comes back only when the server is down."""
    with _held(cluster.lock("start")):
        fcntl.flock(users, fcntl.LOCK_UN)
        if _try(users, fcntl.LOCK_EX):
            fcntl.flock(users, fcntl.LOCK_UN)
            with _held(cluster.lock("warden")):  # free when the warden has done its work
                stop(cluster)  # nothing left to do, unless somebody killed the warden
        else:
            fcntl.flock(users, fcntl.LOCK_SH)  # at once if others stay, else after the warden
            tidy(cluster)  # the warden ends with its server, perhaps before it has tidied up
    os.close(users)
    _wardens[:] = [warden for warden in _wardens if warden.poll() is None]


def _post_warden(cluster: Cluster, tuning: Mapping[str, str] | None) -> None:
    """Make sure one warden is there; with `tuning` it starts the server.

    Its lock travels on the inherited descriptor, so there is no moment without a holder.
    """
    handle = _open(cluster.lock("warden"))
    try:
        if not _try(handle, fcntl.LOCK_EX):
            return
        order = json.dumps(None if tuning is None else dict(tuning))
        warden = subprocess.Popen(
            [sys.executable, "-m", "backend.embedded", str(cluster.data), order],
            pass_fds=(handle,),
            start_new_session=True,  # Ctrl-C in the terminal is not for the warden
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wardens.append(warden)
    finally:
        os.close(handle)


def _is_posted(cluster: Cluster) -> bool:
    handle = _open(cluster.lock("warden"))
    try:
        return not _try(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise EmbeddedFailed(f"{path.parent} belongs to another user") from error


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
