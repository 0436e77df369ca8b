"""The warden: a small process that lives as long as the server and stops it after its last user.

It holds the lock ``warden`` for life and waits for ``users`` exclusively. It ends with its server;
whoever still uses that one notices (`vigil`) and posts the next warden, who starts it again.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from backend.embedded.cluster import Cluster
from backend.embedded.locks import held, held_if_free, opened, taken
from backend.embedded.server import STOP_SECONDS, is_listening, launch, server_pid, stop

_ROOT = Path(__file__).parents[2]
_posted: list[subprocess.Popen[bytes]] = []


def watch(cluster: Cluster, tuning: Mapping[str, str] | None) -> None:
    """Live a warden's life: start the server if told to, wait until nobody needs it, stop it."""
    server = None if tuning is None else launch(cluster, tuning)
    threading.Thread(target=_end_with, args=(cluster, server), daemon=True).start()
    with held(cluster.lock("users")):
        if server is not None:
            _end(server)
        stop(cluster)


def _end_with(cluster: Cluster, server: subprocess.Popen[bytes] | None) -> None:
    """Collect the dead server and leave the post, so that the next user posts a fresh warden."""
    if server is not None:
        server.wait()
    while server_pid(cluster) is not None:  # one that an earlier warden started
        time.sleep(1.0)
    os._exit(0)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End our own child by its handle: a newborn one has not written its pid file yet."""
    for sign, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0)):
        server.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return


def post(
    cluster: Cluster, tuning: Mapping[str, str], make_ready: Callable[[], None] = lambda: None
) -> bool:
    """Make sure one warden is there; tells whether it is a new one. The caller holds ``start``.

    A server that lives already is left as it is. Else `make_ready` is called, and the warden starts
    one with `tuning`. The lock travels on the inherited descriptor, so there is no moment without
    a holder.
    """
    handle = opened(cluster.lock("warden"))
    try:
        if not taken(handle, fcntl.LOCK_EX):
            return False
        lives = is_listening(cluster) or server_pid(cluster) is not None
        if not lives:
            make_ready()
        order = json.dumps(None if lives else dict(tuning))
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
        _posted.append(warden)
    finally:
        os.close(handle)
    return True


def is_posted(cluster: Cluster) -> bool:
    """Tell whether a warden lives. The caller holds ``start``: others would mistake the look."""
    with held_if_free(cluster.lock("warden")) as free:
        return not free


def collect() -> None:
    """Let go of the wardens of this process that have ended."""
    for warden in list(_posted):
        if warden.poll() is not None:
            with contextlib.suppress(ValueError):  # another thread was faster
                _posted.remove(warden)
