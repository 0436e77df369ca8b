"""What a device's wall clock says, which may be anything; it decides nothing."""

from datetime import UTC, datetime, timedelta

_CENTURIES = timedelta(days=365 * 500)  # so that any time we keep may be corrected by it


def read_wall(text: str | None) -> datetime | None:
    """Read a device's RFC 3339 time (a flat battery says 1970); what is unreadable is missing."""
    moment = _read(text)
    return moment if moment is not None and 1970 <= moment.year <= 2200 else None


def ahead_by(text: str | None, now: datetime) -> timedelta | None:
    """Return by how much a wall clock is ahead, at most a few centuries, whatever year it shows."""
    moment = _read(text)
    return None if moment is None else min(max(moment - now, -_CENTURIES), _CENTURIES)


def _read(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # within a day of where years end
        return moment.replace(tzinfo=UTC)
