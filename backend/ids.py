"""Identifiers. The server makes UUIDv7 (they sort by time); devices may make v4 or v7."""

from contextvars import ContextVar
from uuid import UUID

from uuid_utils.compat import uuid7

# The request that the present task serves, if any; entries of the log name it.
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562)."""
    return uuid7()


def parse_id(text: str) -> UUID | None:
    """Read a UUID in its canonical 36-character form; None if it is anything else."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
