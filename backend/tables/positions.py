"""Where phones were: fixes from the lossy lane, by month, and each driver's newest."""

import datetime as dt
from uuid import UUID

from sqlmodel import Field

from backend.tables.base import Row, UtcTime


class Position(Row, table=True):
    """A fix. Months are partitions, dropped whole; nothing refers to a fix, nor it to a row."""

    __tablename__ = "position"
    __table_args__ = {"postgresql_partition_by": "RANGE (at)"}  # noqa: RUF012 - SQLAlchemy's word

    device_id: UUID = Field(primary_key=True)
    at: dt.datetime = Field(primary_key=True, sa_type=UtcTime)
    lat: float
    lon: float
    accuracy_m: float
    speed: float | None = None
    mock: bool = False


class LastFix(Row, table=True):
    """The newest fix of a driver, so that a map asks for no partition."""

    __tablename__ = "last_fix"

    driver_id: UUID = Field(primary_key=True, foreign_key="driver.id")
    device_id: UUID
    at: dt.datetime = Field(sa_type=UtcTime)
    lat: float
    lon: float
    accuracy_m: float
    speed: float | None = None
    mock: bool = False
