"""A folder of one's own for a made-up day, emptied first, whatever became of the last one."""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

# Such a day brings its own database and evidence folder, whatever is set outside.
_SET_ASIDE = (
    "DOORSTEP_DATABASE_URL",
    "DOORSTEP_BASE_URL",
    "DOORSTEP_S3_ENDPOINT",
    "DOORSTEP_S3_BUCKET",
    "DOORSTEP_S3_ACCESS_KEY",
    "DOORSTEP_S3_SECRET_KEY",
)
# After a kill -9 what remains of the last day ends by itself within so many seconds.
_REMAINS_SECONDS = 30.0


def set_environment_aside() -> None:
    """Leave out of this process, and of its children, what would lead elsewhere."""
    for name in _SET_ASIDE:
        os.environ.pop(name, None)


def empty(home: Path, tell: Callable[[str], None]) -> None:
    """Put the last day away, once nobody uses it any more.

    Raises:
        NotStarted: somebody still serves it.
    """
    from backend.cli.lead import lead
    from backend.embedded import Cluster, is_listening

    if not home.exists():
        return
    tell("putting the last day away")
    with lead(home):
        deadline = time.monotonic() + _REMAINS_SECONDS
        while is_listening(Cluster(home.resolve())) and time.monotonic() < deadline:
            time.sleep(0.1)
    shutil.rmtree(home)


def free_port(host: str, port: int) -> int:
    """The port if it can be had, else 0 for any: a newcomer's 8080 is often taken."""
    with contextlib.suppress(OSError), socket.create_server((host, port)):
        return port
    return 0
