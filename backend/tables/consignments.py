"""Consignments and their parcels."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.domain.consignment import ConsignmentState
from backend.tables.base import Audited, Row, UtcTime, audited, one_of


@audited
class Consignment(Audited, table=True):
    """Goods for one recipient under one promise.

    ``content_hash`` is that of the cleansed input, so that a repeated import changes nothing.
    ``tracking_hash`` is the SHA-256 of the link's token; the token itself is derived, never stored.
    """

    __tablename__ = "consignment"
    __table_args__ = (
        one_of("state", ConsignmentState),
        Index("ix_consignment_depot_date", "depot_id", "service_date", "state"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="location"),
        CheckConstraint("window_start < window_end", name="window"),
        CheckConstraint("attempts >= 0", name="attempts"),
    )
    __entity__ = "consignment"
    __personal__ = frozenset(
        {
            "recipient_name",
            "recipient_phone",
            "recipient_email",
            "address_lines",
            "postcode",
            "lat",
            "lon",
            "instructions",
            "customer_name",
            "safe_place",
        }
    )
    __quiet__ = frozenset({"content_hash", "tracking_hash"})

    depot_id: UUID = Field(foreign_key="depot.id")
    reference: str = Field(unique=True)
    state: str
    segment: str
    segment_reason: str
    service: str | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    value: str | None = None
    service_date: dt.date
    recipient_name: str
    recipient_phone: str | None = None
    phone_takes_sms: bool = False
    recipient_email: str | None = None
    address_lines: list[str] = Field(sa_type=JSONB)
    postcode: str | None = None
    city: str
    country: str
    lat: float | None = None
    lon: float | None = None
    location_source: str | None = None
    window_start: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    window_end: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    instructions: str | None = None
    safe_place: str | None = None
    attempts: int = 0
    content_hash: bytes = Field(sa_type=LargeBinary)
    tracking_hash: bytes = Field(sa_type=LargeBinary, unique=True)
    created_at: dt.datetime = Field(sa_type=UtcTime)


class Parcel(Row, table=True):
    """One parcel of a consignment; its content is logged with the consignment."""

    __tablename__ = "parcel"
    __table_args__ = (
        UniqueConstraint("consignment_id", "barcode"),
        CheckConstraint("weight_kg >= 0 AND volume_dm3 >= 0", name="measures"),
    )

    id: UUID = Field(primary_key=True)
    consignment_id: UUID = Field(foreign_key="consignment.id", index=True)
    barcode: str = Field(index=True)
    description: str | None = None
    weight_kg: float
    volume_dm3: float
    handling: list[str] = Field(sa_type=JSONB)
