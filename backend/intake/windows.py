"""Promised windows: moments with an offset, or local times of the service day at the depot."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?|24:00(:00)?")
_MOMENT = re.compile(
    r"20\d\d-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a window as it was sent: an absolute moment, or minutes into the service day."""

    moment: datetime | None = None
    local: datetime | None = None
    minutes: int | None = None

    def on(self, day: date, zone: ZoneInfo) -> datetime:
        """Return the moment meant on a service day in the depot's zone."""
        if self.moment is not None:
            return self.moment
        if self.local is not None:
            return self.local.replace(tzinfo=zone).astimezone(UTC)
        minutes = self.minutes or 0
        whole, rest = divmod(minutes, 24 * 60)
        wall = datetime.combine(day + timedelta(days=whole), time(rest // 60, rest % 60), zone)
        return wall.astimezone(UTC)

    def text(self) -> str:
        """Return the one spelling of this bound, for comparing."""
        if self.moment is not None:
            return self.moment.isoformat()
        return self.local.isoformat() if self.local is not None else f"{self.minutes}"


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """A window not yet laid on a day."""

    start: Bound
    end: Bound

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return both moments on a service day."""
        return self.start.on(day, zone), self.end.on(day, zone)


def read_bound(text: str) -> Bound | None:
    """Read one end of a window; None where it is neither form."""
    if found := _CLOCK.fullmatch(text):
        if found[1] is None:
            return Bound(minutes=24 * 60)
        return Bound(minutes=int(found[1]) * 60 + int(found[2]))
    if not _MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper().replace(" ", "T"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        return Bound(local=moment)
    return Bound(moment=moment.astimezone(UTC))
