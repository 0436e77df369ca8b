"""The installation itself: which life of the database this is, and who leads its jobs."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from backend.tables.base import Row, UtcTime


class Installation(Row, table=True):
    """One row. ``epoch`` changes when the database was restored from a backup."""

    __tablename__ = "installation"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    epoch: UUID
    created_at: datetime = Field(sa_type=UtcTime)


class LeaderLease(Row, table=True):
    """Who may run the timetable; every write of a leader is fenced by ``epoch``."""

    __tablename__ = "leader_lease"

    name: str = Field(primary_key=True)
    holder: str
    epoch: int
    expires_at: datetime = Field(sa_type=UtcTime)


class Outbox(Row, table=True):
    """A message or webhook to send, written with the change that causes it."""

    __tablename__ = "outbox"

    id: UUID = Field(primary_key=True)
    topic: str
    address: str | None = None
    payload: str
    tries: int = 0
    due_at: datetime = Field(sa_type=UtcTime, index=True)
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime)
    created_at: datetime = Field(sa_type=UtcTime)


class TryWindow(Row, table=True):
    """Counted tries of something guessable (sign-in, enrolment) in a fixed window."""

    __tablename__ = "try_window"

    key: str = Field(primary_key=True)
    started_at: datetime = Field(sa_type=UtcTime)
    tries: int
