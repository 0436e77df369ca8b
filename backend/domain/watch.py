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


@dataclass(frozen=True, slots=True)
class Alert:
    """Something wrong right now; nothing of it is stored."""

    kind: AlertKind
    since: datetime
    detail: str
    route_id: UUID
    stop_id: UUID | None = None
    device_id: UUID | None = None


def overstepped(since: datetime, now: datetime, patience_min: int) -> bool:
    """Whether more time has passed than the segment is patient for."""
    return now - since >= timedelta(minutes=patience_min)


def minutes(since: datetime, now: datetime) -> int:
    """How long ago, in whole minutes."""
    return int((now - since).total_seconds() // 60)
