"""Devices, how they got in, their tokens, and how far their journals were heard."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Audited, Row, UtcTime, audited


@audited
class Device(Audited, table=True):
    """One installation of a driver app; a reinstall is a new device."""

    __tablename__ = "device"
    __entity__ = "device"

    driver_id: UUID = Field(foreign_key="driver.id", index=True)
    platform: str
    model: str
    app_version: str
    public_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    enrolled_at: dt.datetime = Field(sa_type=UtcTime)
    revoked_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)


class DeviceJournal(Row, table=True):
    """How far a device's journal was taken in; locked first by every push.

    ``clocks`` is what its calls showed of its clocks, ``skew_ms`` by how much its wall clock was
    ahead at the last noted contact. ``holds`` says that something of it waits to be judged again.
    """

    __tablename__ = "device_journal"
    __table_args__ = (CheckConstraint("acked_n >= 0", name="acked_n"),)

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    acked_n: int = Field(default=0, sa_type=BigInteger)
    pulled_v: int | None = Field(default=None, sa_type=BigInteger)  # what its last cursor had seen
    seen_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    pending: int | None = None
    oldest_pending_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    clocks: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    holds: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    skew_ms: int | None = Field(default=None, sa_type=BigInteger)


class LostRange(Row, table=True):
    """Numbers a device declared it no longer has."""

    __tablename__ = "lost_range"

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    from_n: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    to_n: int = Field(sa_type=BigInteger)


class EnrolmentCode(Row, table=True):
    """A one-time code that makes a phone a driver's device, by its hash."""

    __tablename__ = "enrolment_code"

    code_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    driver_id: UUID = Field(foreign_key="driver.id")
    expires_at: dt.datetime = Field(sa_type=UtcTime)
    used_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)


class RefreshToken(Row, table=True):
    """A refresh token by its hash. The successor is derived, so a lost reply can be repeated.

    ``generation`` counts within the family; 0 is what older releases gave out.
    """

    __tablename__ = "refresh_token"

    token_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    device_id: UUID = Field(foreign_key="device.id")
    family: UUID = Field(index=True)
    generation: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    issued_at: dt.datetime = Field(sa_type=UtcTime)
    spent_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    nonce: str | None = None
    ended: bool = False
