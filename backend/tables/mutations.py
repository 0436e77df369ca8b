"""What devices sent, byte for byte, and the answer they got."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Row, UtcTime


class Mutation(Row, table=True):
    """One mutation as received, whatever became of it.

    ``numbered`` rows hold a device's number for good; forks, events of closed ranges and numberless
    ones are kept beside them. ``hash`` is over the RFC 8785 bytes, else over the raw bytes. A held
    one keeps in ``dated`` when it happened, as the clocks told when it came.
    """

    __tablename__ = "mutation"
    __table_args__ = (
        Index(
            "uq_mutation_number", "device_id", "n", unique=True, postgresql_where=text("numbered")
        ),
        Index(
            "uq_mutation_beside",
            "device_id",
            "hash",
            unique=True,
            postgresql_where=text("NOT numbered"),
        ),
        Index("ix_mutation_id", "id"),
        Index("ix_mutation_stop", "stop_id"),
        Index("ix_mutation_held", "device_id", postgresql_where=text("outcome = 'held'")),
    )

    seq: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=(Identity(always=True),)
    )
    device_id: UUID = Field(foreign_key="device.id")
    driver_id: UUID = Field(foreign_key="driver.id")
    n: int | None = Field(default=None, sa_type=BigInteger)
    numbered: bool
    id: UUID | None = None
    hash: bytes = Field(sa_type=LargeBinary)
    raw: bytes = Field(sa_type=LargeBinary)
    kind: str | None = None
    stop_id: UUID | None = None
    route_id: UUID | None = None
    outcome: str
    code: str | None = None
    receipt: dict[str, Any] = Field(sa_type=JSONB)
    received_at: dt.datetime = Field(sa_type=UtcTime)
    dated: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
