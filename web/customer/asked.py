"""What a customer may ask for, read from JSON or from the page's own forms."""

import datetime as dt
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from msgspec import Meta

from backend.errors import InputError, Malformed
from backend.wire.body import read_body
from backend.wire.json import InputInvalid, decode

BODY_LIMIT = 8 * 1024
LATEST_DAY = dt.timedelta(days=30)
_FORM = "application/x-www-form-urlencoded"
_Words = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")]
AnyRequest = Request[None, None, State]


class Reschedule(msgspec.Struct, frozen=True):
    """Another day, or words about one."""

    date: dt.date | None = None
    note: _Words | None = None


class SafePlace(msgspec.Struct, frozen=True):
    """Where goods may be left; ``note`` is taken for the place where that is all there is."""

    place: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")] | None = None
    note: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")] | None = None


class Dispute(msgspec.Struct, frozen=True):
    """What is wrong."""

    note: _Words | None = None


Wish = TypeVar("Wish", Reschedule, SafePlace, Dispute)


async def read_wish(request: AnyRequest, shape: type[Wish]) -> Wish:
    """Read a wish; a form's empty fields are absent.

    Raises:
        Malformed: it is not what is asked for.
        TooLarge: over 8 KiB.
    """
    raw = await read_body(request, BODY_LIMIT)
    if request.headers.get("content-type", "").startswith(_FORM):
        raw = msgspec.json.encode(_fields(raw))
    return decode(raw or b"{}", shape)


def _fields(raw: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(raw.decode("utf-8"), max_num_fields=10, errors="strict")
    except ValueError as error:
        raise Malformed("not a form of ours") from error
    return {name: value for name, value in fields if value.strip()}


def the_day(wish: Reschedule, today: dt.date) -> dt.date | None:
    """Return the day asked for, None where only words were given.

    Raises:
        InputInvalid: neither day nor words, or a day that cannot be.
    """
    if wish.date is None:
        if not (wish.note or "").strip():
            raise _fault("/date", "missing", "which day?")
        return None
    if not today < wish.date <= today + LATEST_DAY:
        raise _fault("/date", "out_of_range", "a day within the next thirty")
    return wish.date


def the_place(wish: SafePlace) -> str:
    """Return where goods may be left.

    Raises:
        InputInvalid: nothing is said.
    """
    place = (wish.place or wish.note or "").strip()
    if not place:
        raise _fault("/place", "missing", "where?")
    return place


def _fault(pointer: str, code: str, detail: str) -> InputInvalid:
    return InputInvalid(errors=[InputError(pointer, code, detail)])
