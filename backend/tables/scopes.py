"""The change feed: one counter per scope, one row per (scope, entity)."""

import datetime as dt

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from backend.tables.base import Row, UtcTime


class Scope(Row, table=True):
    """A counter, bumped once per transaction as its last lock. A driver is a scope, and a depot.

    Tombstones up to ``floor`` may be gone: whoever stands below it takes a snapshot.
    """

    __tablename__ = "scope"

    id: str = Field(primary_key=True)
    v: int = Field(default=0, sa_type=BigInteger)
    floor: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


class Feed(Row, table=True):
    """The newest version of an entity in a scope; ``gone`` rows are tombstones.

    Without ``v`` it waits for its number, as only a depot's rows do.
    """

    __tablename__ = "feed"
    __table_args__ = (
        Index("ix_feed_scope_v", "scope", "v"),
        Index("ix_feed_present", "scope", "v", postgresql_where=text("NOT gone")),
    )

    scope: str = Field(primary_key=True)
    type: str = Field(primary_key=True)
    entity_id: str = Field(primary_key=True)
    v: int | None = Field(default=None, sa_type=BigInteger)
    gone: bool = False
    gone_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
