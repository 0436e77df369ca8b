"""What a person is asked about, and what he may answer."""

from enum import StrEnum


class InboxKind(StrEnum):
    """Why somebody has to look."""

    CONFLICT = "conflict"
    NOTICE = "notice"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    UNKNOWN_STOP = "unknown_stop"
    LOST_EVENTS = "lost_events"
    CORRECTION = "correction"
    EVIDENCE_OVERDUE = "evidence_overdue"
    CODE_LOCKED = "code_locked"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    SECOND_PERSON = "second_person"
    DISPUTE = "dispute"
    RESCHEDULE = "reschedule"
    UNFINISHED = "unfinished"


class InboxState(StrEnum):
    """Whether somebody did."""

    OPEN = "open"
    RESOLVED = "resolved"


ACKNOWLEDGED = "acknowledged"
ACCEPTED = "accepted"  # what a revoked device told counts all the same
