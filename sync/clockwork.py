"""When did it happen? A device's clocks, held against the moment its message arrived.

Within one boot the monotonic clock bounds the answer, whatever the wall clock did meanwhile. Across
boots only the wall clock speaks, corrected by the offset it shows now. Device wall time alone never
decides anything: such an estimate says so by having no bound.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ROAD_MS = 2_000  # what a request may have spent on the road
REBOOT_MS = 60_000
MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """A device's clocks at one moment; any of them may be missing."""

    wall: datetime | None = None
    monotonic_ms: float | None = None
    boot: str | None = None
    gps: datetime | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The moment an event happened, never after it was received.

    ``uncertainty_ms`` is None where nothing of ours bounds it.
    """

    happened: datetime
    uncertainty_ms: int | None


def estimate(received: datetime, sent: DeviceTime, event: DeviceTime) -> Estimate:
    """Estimate an event's time from the clocks at the event and at sending."""
    ago = _monotonic_ago(sent, event)
    if ago is not None:
        return Estimate(received - ago, ROAD_MS)
    if event.gps is not None and event.gps <= received:
        return Estimate(event.gps, ROAD_MS)
    if event.wall is None:
        return Estimate(received, None)
    if sent.wall is None:
        return Estimate(min(event.wall, received), None)
    corrected = event.wall + (received - sent.wall)
    return Estimate(min(corrected, received), REBOOT_MS if corrected <= received else None)


def _monotonic_ago(sent: DeviceTime, event: DeviceTime) -> timedelta | None:
    """How long before sending the event was, if both fell into one boot."""
    if sent.boot is None or sent.boot != event.boot:
        return None
    if sent.monotonic_ms is None or event.monotonic_ms is None:
        return None
    milliseconds = sent.monotonic_ms - event.monotonic_ms
    if not 0 <= milliseconds <= MONTH.total_seconds() * 1000:
        return None
    return timedelta(milliseconds=milliseconds)


def read_wall(text: str | None) -> datetime | None:
    """Read a device's RFC 3339 time; what cannot be read is as good as missing."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 2000 <= moment.year <= 2200 else None
