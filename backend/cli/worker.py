"""What a server worker loads: the application, and the wish not to outlive the server."""

from litestar import Litestar

from backend.app import from_env
from backend.cli import lifeline


def create() -> Litestar:
    """Make the application in a process that ends with its parent, even a killed one."""
    lifeline.hold_on_to_parent()
    return from_env()
