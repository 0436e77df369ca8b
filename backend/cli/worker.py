"""What a server worker loads: the application, and the wish not to outlive the server."""

from litestar import Litestar

from backend.app import from_env
from backend.cli import farewell, lifeline


def create() -> Litestar:
    """Make the application in a process that ends with its parent, even a killed one."""
    lifeline.hold_on_to_parent()
    app = from_env()
    app.on_startup.append(_end_streams_in_time)
    return app


async def _end_streams_in_time(app: Litestar) -> None:
    farewell.on_warning(app.state["ground"].nudges.close)
