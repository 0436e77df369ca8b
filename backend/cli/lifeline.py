"""How children learn that the leader is gone, even by `kill -9`: an inherited pipe reads its end.

The leader alone holds the writing side. A child that reads the end stops in an orderly way; if
that takes too long it ends its whole process group, pools and workers included.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

VARIABLE = "DOORSTEP_LIFELINE"
GRACE_SECONDS = 5.0


def hold_on(environ: dict[str, str] | None = None) -> None:
    """Watch the lifeline that the leader gave us, if there is one."""
    given = (environ or dict(os.environ)).get(VARIABLE)
    if given is not None:
        _in_background(lambda: _read_to_end(int(given)))


def hold_on_to_parent() -> None:
    """End at once when our parent has: for workers that inherit no pipe."""
    parent = os.getppid()
    _in_background(lambda: _outlive(parent))


def _read_to_end(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _outlive(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="lifeline", daemon=True).start()
