"""The cursor a phone holds: opaque to it, two numbers and a mark to us. It travels with every call,
so it is short: a byte for the schema, six for the mark, the numbers as long as they need to be.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

# Raised when the shape of entities changes: every phone then takes a snapshot once. Up to 127, and
# never the 91 that a cursor of the first shape, written as JSON, begins with.
SCHEMA = 2

_MARK = 6
_LONGEST = 48


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
    def mark(self) -> bytes:
        """What tells cursors of other scopes and epochs from this one's."""
        return sha256(self.epoch.bytes + self.scope.encode()).digest()[:_MARK]


@dataclass(frozen=True, slots=True)
class Held:
    """A cursor as a phone brings it back: whose it was is known by its mark alone."""

    mark: bytes
    v: int
    begun: int

    @property
    def seen(self) -> int:
        """The version up to which no tombstone is owed to this base."""
        return max(self.v, self.begun)


def write(cursor: Cursor) -> str:
    """Write a cursor."""
    raw = bytes([SCHEMA]) + cursor.mark + _number(cursor.v) + _number(cursor.begun)
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read(text: str | None) -> Held | None:
    """Read a cursor; whatever we did not write, or wrote for another schema, is None."""
    if text is None or len(text) > _LONGEST:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    if raw[:1] != bytes([SCHEMA]):
        return None
    numbers = _numbers(raw[1 + _MARK :])
    return Held(raw[1 : 1 + _MARK], *numbers) if len(numbers) == 2 else None


def _number(value: int) -> bytes:
    """Write a number seven bits a byte, the lowest first; the last byte alone is below 128."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def _numbers(raw: bytes) -> list[int]:
    """Read all numbers; what does not end in one is none."""
    found, value, place = [], 0, 0
    for byte in raw:
        value |= (byte & 127) << place
        place += 7
        if byte < 128:
            found.append(value)
            value, place = 0, 0
    return found if place == 0 else []
