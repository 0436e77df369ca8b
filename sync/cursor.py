"""The cursor a phone holds: opaque to it, two numbers and two names to us."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

import msgspec

# Raised when the shape of entities changes: every phone then takes a snapshot once.
SCHEMA = 1


class _Wire(msgspec.Struct, array_like=True):
    schema: int
    epoch: UUID
    scope: str
    v: int
    begun: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a phone's base is: everything of ``scope`` up to ``v``.

    ``begun`` is where the scope stood when the base was begun, as long as that is further on: a
    snapshot of several pages has seen what had left the scope by then.
    """

    epoch: UUID
    scope: str
    v: int
    begun: int = 0

    @property
    def seen(self) -> int:
        """The version up to which no tombstone is owed to this base."""
        return max(self.v, self.begun)


def write(cursor: Cursor) -> str:
    """Write a cursor."""
    raw = msgspec.json.encode(_Wire(SCHEMA, cursor.epoch, cursor.scope, cursor.v, cursor.begun))
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read(text: str | None) -> Cursor | None:
    """Read a cursor; whatever we did not write, or wrote for another schema, is None."""
    if text is None or len(text) > 500:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        wire = msgspec.json.decode(raw, type=_Wire)
    except (ValueError, msgspec.DecodeError):
        return None
    if wire.schema != SCHEMA or min(wire.v, wire.begun) < 0:
        return None
    return Cursor(wire.epoch, wire.scope, wire.v, wire.begun)
