"""How far a console has read: a place in the feed of each depot that its person sees.

Opaque to whoever holds it. A depot that is not in it has not been begun.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec

# Raised when the shape of items changes: every console then begins anew.
SCHEMA = 1
_LONGEST = 16_000
_Wire = tuple[int, bytes, list[tuple[bytes, int, int]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Everything of a depot up to ``v``; ``begun`` is where it stood when a snapshot began."""

    v: int
    begun: int = 0

    @property
    def seen(self) -> int:
        """The version up to which no tombstone is owed."""
        return max(self.v, self.begun)


def write(epoch: UUID, places: Mapping[UUID, Place]) -> str:
    """Write a cursor."""
    rows = [(depot.bytes, at.v, at.begun) for depot, at in sorted(places.items())]
    raw = msgspec.msgpack.encode((SCHEMA, epoch.bytes, rows))
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read(text: str | None, epoch: UUID) -> dict[UUID, Place] | None:
    """Read a cursor of this life of the database; whatever is none of ours is None."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        schema, life, rows = msgspec.msgpack.decode(raw, type=_Wire)
        places = {UUID(bytes=depot): Place(v, begun) for depot, v, begun in rows}
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    return places if schema == SCHEMA and life == epoch.bytes else None
