"""Time comes in through here, so that tests can hold it still. Aware UTC only."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Anything that knows what time it is."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Write a moment as the wire does: UTC, milliseconds, ``Z`` (RFC 3339)."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is no moment")
    # Of two moments in an hour that comes twice only one zone tells which: UTC has no such hour.
    return _written(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


@lru_cache(1_024)  # one moment is told many times: all that a transaction records
def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time that names its offset.

    Raises:
        ValueError: it is not one, or it has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError(f"{text!r} is not an RFC 3339 time with an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error
