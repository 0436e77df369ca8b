"""What needs a person."""

import datetime as dt
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Audited, UtcTime, audited


@audited
class InboxItem(Audited, table=True):
    """One question for a supervisor. ``subject`` makes it exactly one per cause.

    ``detail`` may hold words of a customer, or what a phone sent: the log only commits to it.
    """

    __tablename__ = "inbox_item"
    __table_args__ = (Index("ix_inbox_item_open", "state", "id"),)
    __entity__ = "inbox_item"
    __personal__ = frozenset({"detail", "note"})

    kind: str
    subject: str = Field(unique=True)
    state: str  # open, resolved
    at: dt.datetime = Field(sa_type=UtcTime)
    depot_id: UUID | None = Field(default=None, foreign_key="depot.id")
    stop_id: UUID | None = Field(default=None, foreign_key="stop.id")
    device_id: UUID | None = Field(default=None, foreign_key="device.id")
    mutation_id: UUID | None = None
    detail: str
    actions: list[str] = Field(sa_type=JSONB)
    resolved_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    resolved_by: UUID | None = Field(default=None, foreign_key="person.id")
    action: str | None = None
    note: str | None = None
