"""Evidence: uploads under way, what was verified, and which events name it."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, false, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Audited, Row, UtcTime, audited


class EvidenceUpload(Row, table=True):
    """An upload of one device, by the hash it announced.

    ``offset`` is where it stood when last written down; the length of the staged file is the truth.
    """

    __tablename__ = "evidence_upload"
    __table_args__ = (CheckConstraint('"offset" BETWEEN 0 AND size', name="offset"),)

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    sha256: str = Field(primary_key=True)
    kind: str
    media_type: str
    size: int
    offset: int = 0
    state: str  # announced, partial, verified, corrupt
    updated_at: dt.datetime = Field(sa_type=UtcTime)


@audited
class Evidence(Audited, table=True):
    """Bytes that arrived, fit their hash and could be read; immutable, one row per driver."""

    __tablename__ = "evidence"
    __table_args__ = (UniqueConstraint("driver_id", "sha256"),)
    __entity__ = "evidence"
    __quiet__ = frozenset({"facts", "driver_id", "kind", "erased_at"})

    sha256: str = Field(index=True)
    size: int
    media_type: str
    stop_id: UUID | None = Field(default=None, foreign_key="stop.id")
    verified_at: dt.datetime = Field(sa_type=UtcTime)
    driver_id: UUID = Field(foreign_key="driver.id")
    kind: str
    facts: dict[str, Any] = Field(sa_type=JSONB)
    erased_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    # The store was found without these bytes: they are wanted again.
    lost_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)


class EvidenceRef(Row, table=True):
    """An event names a piece of evidence; bytes and event may come in either order.

    It is ``wanted`` as long as the naming driver's bytes are not there and may still come. Where
    it does not ``count``, the event had no effect: the file proves nothing and nobody asks for it,
    but it goes with its stop.
    """

    __tablename__ = "evidence_ref"
    __table_args__ = (
        Index("ix_evidence_ref_sha256", "sha256", "driver_id"),
        Index("ix_evidence_ref_wanted", "driver_id", "sha256", postgresql_where=text("wanted")),
    )

    mutation_id: UUID = Field(primary_key=True)
    sha256: str = Field(primary_key=True)
    stop_id: UUID = Field(foreign_key="stop.id", index=True)
    driver_id: UUID = Field(foreign_key="driver.id")
    kind: str
    size: int
    media_type: str
    wanted: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    counts: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
