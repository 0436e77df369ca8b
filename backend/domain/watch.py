"""When a person should look: rules over what is on the road, by each segment's patience."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class AlertKind(StrEnum):
    """What is wrong."""

    LATE = "late"
    DWELL = "dwell"
    SILENT = "silent"
    EVIDENCE_OVERDUE = "evidence_overdue"
    UNSENT = "unsent"
    CLOCK_SKEW = "clock_skew"


CLOCK_PATIENCE = timedelta(minutes=5)
QUEUE_PATIENCE = timedelta(hours=4)
IN_CONTACT = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Alert:
    """Something wrong right now; nothing of it is stored."""

    kind: AlertKind
    since: datetime
    detail: str
    route_id: UUID | None
    stop_id: UUID | None = None
    device_id: UUID | None = None


def overstepped(since: datetime, now: datetime, patience_min: int) -> bool:
    """Whether more time has passed than the segment is patient for."""
    return now - since >= timedelta(minutes=patience_min)


def minutes(since: datetime, now: datetime) -> int:
    """How long ago, in whole minutes."""
    return int((now - since).total_seconds() // 60)


def is_off(ahead: timedelta) -> bool:
    """Whether a wall clock is so wrong that somebody should set it."""
    return abs(ahead) > CLOCK_PATIENCE


def off_by(ahead: timedelta) -> str:
    """Word by how much a wall clock is wrong."""
    way = "fast" if ahead > timedelta() else "slow"
    return f"{abs(ahead).total_seconds() / 60:.0f} min {way}"
