"""Lists come in pages: ``{items, next}``, where ``next`` is the opaque key of the last row shown.

Keyset paging: the next page starts after a key, so rows that appear or vanish meanwhile neither
repeat nor hide others.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from backend.errors import InputError, Malformed
from backend.ids import parse_id

PAGE = 100
T = TypeVar("T")


class CursorInvalid(Malformed):
    """``after`` is not a ``next`` that we gave."""

    code = "cursor_invalid"
    title = "The cursor is not one of ours"


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    items: list[T]
    next: str | None = None


def page(
    rows: Sequence[T], key: Callable[[T], tuple[str, ...]], limit: int = PAGE
) -> tuple[Sequence[T], str | None]:
    """Cut ``limit + 1`` rows asked for to a page and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    shown = rows[:limit]
    return shown, cursor_of(*key(shown[-1]))


def cursor_of(*parts: str) -> str:
    """Write a key as an opaque cursor."""
    return urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def read_cursor(after: str | None, parts: int) -> tuple[str, ...] | None:
    """Read a cursor back into the ``parts`` texts of its key; None where none is given.

    Raises:
        CursorInvalid: it is not one of ours.
    """
    if not after:
        return None
    try:
        raw = urlsafe_b64decode(after.encode("ascii") + b"=" * (-len(after) % 4))
        key = msgspec.json.decode(raw, type=tuple[str, ...])
    except (binascii.Error, UnicodeError, ValueError, msgspec.MsgspecError) as error:
        raise _invalid() from error
    if len(key) != parts:
        raise _invalid()
    return key


def read_id_cursor(after: str | None) -> UUID | None:
    """Read a cursor whose key is one id.

    Raises:
        CursorInvalid: it is not one of ours.
    """
    key = read_cursor(after, 1)
    if key is None:
        return None
    value = parse_id(key[0])
    if value is None:
        raise _invalid()
    return value


def _invalid() -> CursorInvalid:
    return CursorInvalid(errors=[InputError("/after", "invalid", "not a cursor of this list")])
