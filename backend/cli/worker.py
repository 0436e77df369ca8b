"""What a server worker loads: the application, and the wish not to outlive the server."""

import gc

from litestar import Litestar

from backend.app import from_env
from backend.cli import farewell, lifeline

# A push of fifty makes some thousands of objects that live until its commit.
_YOUNG = 10_000


def create() -> Litestar:
    """Make the application in a process that ends with its parent, even a killed one."""
    lifeline.hold_on_to_parent()
    app = from_env()
    app.on_startup.append(_end_streams_in_time)
    _collect_seldom()
    return app


async def _end_streams_in_time(app: Litestar) -> None:
    farewell.on_warning(app.state["ground"].nudges.close)


def _collect_seldom() -> None:
    """Leave alone what the application is made of, and seek cycles in what outlives a call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
