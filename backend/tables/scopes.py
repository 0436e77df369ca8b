"""The change feed: one counter per scope, one row per (scope, entity)."""

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from backend.tables.base import Row


class Scope(Row, table=True):
    """A counter, bumped once per transaction as its last lock. A driver is a scope."""

    __tablename__ = "scope"

    id: str = Field(primary_key=True)
    v: int = Field(default=0, sa_type=BigInteger)


class Feed(Row, table=True):
    """The newest version of an entity in a scope; ``gone`` rows are tombstones."""

    __tablename__ = "feed"
    __table_args__ = (
        Index("ix_feed_scope_v", "scope", "v"),
        Index("ix_feed_present", "scope", "v", postgresql_where=text("NOT gone")),
    )

    scope: str = Field(primary_key=True)
    type: str = Field(primary_key=True)
    entity_id: str = Field(primary_key=True)
    v: int = Field(sa_type=BigInteger)
    gone: bool = False
