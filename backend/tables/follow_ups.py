"""What must follow where a fact contradicted what was decided."""

import datetime as dt
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from backend.domain.follow_up import FollowUpKind, FollowUpState
from backend.tables.base import Audited, UtcTime, audited, one_of


@audited
class FollowUp(Audited, table=True):
    """Somebody's task: exactly one of its kind for a stop and the mutation that caused it."""

    __tablename__ = "follow_up"
    __table_args__ = (
        one_of("kind", FollowUpKind),
        one_of("state", FollowUpState),
        Index("uq_follow_up_cause", "stop_id", "kind", "mutation_id", unique=True),
        Index("ix_follow_up_open", "state", "id"),
        Index("ix_follow_up_mutation", "mutation_id"),
    )
    __entity__ = "follow_up"

    stop_id: UUID = Field(foreign_key="stop.id")
    depot_id: UUID = Field(foreign_key="depot.id")
    kind: str
    mutation_id: UUID
    state: str
    at: dt.datetime = Field(sa_type=UtcTime)
    done_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    done_by: UUID | None = Field(default=None, foreign_key="person.id")
