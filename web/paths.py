"""Ids in paths: one that cannot be read is as absent as one that nobody has."""

from uuid import UUID

from backend.errors import NotFound
from backend.ids import parse_id


def the_id(text: str) -> UUID:
    """Read an id from a path.

    Raises:
        NotFound: it is not a UUID, so nothing has it.
    """
    value = parse_id(text)
    if value is None:
        raise NotFound
    return value
