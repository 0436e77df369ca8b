"""The log: entries as sealed bytes, what is still pending, leaves, the tree and its checkpoints."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Row, UtcTime


class AuditEntry(Row, table=True):
    """One entry: the exact bytes that are hashed, and columns projected from them for search."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("uq_audit_entry_n", "entity", "entity_id", "n", unique=True),
        Index("ix_audit_entry_at", "at", "id"),
        Index("ix_audit_entry_actor", "actor_id", "at"),
    )

    id: UUID = Field(primary_key=True)
    leaf: bytes = Field(sa_type=LargeBinary)
    leaf_hash: bytes = Field(sa_type=LargeBinary, unique=True)
    entity: str
    entity_id: str
    n: int
    action: str
    actor_type: str
    actor_id: str
    at: datetime = Field(sa_type=UtcTime)


class AuditOpening(Row, table=True):
    """The openings of an entry's commitments: ``{field: [salt base64, value]}``. Erasable."""

    __tablename__ = "audit_opening"

    entry_id: UUID = Field(primary_key=True, foreign_key="audit_entry.id")
    entity: str
    entity_id: str = Field(index=True)
    openings: dict[str, list[str]] = Field(sa_type=JSONB)


class AuditPending(Row, table=True):
    """Entries not yet in the tree; ``quarantined`` ones failed their re-hash."""

    __tablename__ = "audit_pending"

    entry_id: UUID = Field(primary_key=True, foreign_key="audit_entry.id")
    quarantined: bool = False


class AuditLeaf(Row, table=True):
    """Place of an entry in the tree; written by the sequencer alone."""

    __tablename__ = "audit_leaf"

    index: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    entry_id: UUID = Field(unique=True, foreign_key="audit_entry.id")
    leaf_hash: bytes = Field(sa_type=LargeBinary)


class AuditTree(Row, table=True):
    """The tree's size and frontier; compare-and-set on ``size`` lets one sequencer win."""

    __tablename__ = "audit_tree"

    origin: str = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    frontier: bytes = Field(sa_type=LargeBinary)


class AuditCheckpoint(Row, table=True):
    """A signed checkpoint, as the note's text."""

    __tablename__ = "audit_checkpoint"

    size: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    note: str
    signed_at: datetime = Field(sa_type=UtcTime)


class PrivacyHold(Row, table=True):
    """A legal hold: what it names is not erased while it stands."""

    __tablename__ = "privacy_hold"

    id: UUID = Field(primary_key=True)
    consignment_id: UUID = Field(foreign_key="consignment.id", index=True)
    reason: str
    placed_by: str
    placed_at: datetime = Field(sa_type=UtcTime)
    lifted_at: datetime | None = Field(default=None, sa_type=UtcTime)
