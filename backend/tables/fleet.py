"""Depots, vehicles, drivers and their shifts."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.tables.base import Audited, UtcTime, audited


@audited
class Depot(Audited, table=True):
    """Where routes start and end."""

    __tablename__ = "depot"
    __entity__ = "depot"

    code: str = Field(unique=True)
    name: str
    lat: float
    lon: float
    timezone: str


@audited
class Vehicle(Audited, table=True):
    """A van: capacities in kilograms and cubic decimetres, skills such as ``refrigerated``."""

    __tablename__ = "vehicle"
    __table_args__ = (
        UniqueConstraint("depot_id", "code"),
        CheckConstraint("capacity_kg > 0 AND capacity_dm3 > 0", name="capacity"),
    )
    __entity__ = "vehicle"

    depot_id: UUID = Field(foreign_key="depot.id")
    code: str
    capacity_kg: float
    capacity_dm3: float
    skills: list[str] = Field(sa_type=JSONB)


@audited
class Driver(Audited, table=True):
    """Somebody who drives."""

    __tablename__ = "driver"
    __entity__ = "driver"
    __personal__ = frozenset({"name", "phone"})

    depot_id: UUID = Field(foreign_key="depot.id")
    name: str
    phone: str | None = None
    skills: list[str] = Field(sa_type=JSONB)


@audited
class Shift(Audited, table=True):
    """A driver's working window in a vehicle, on one service day."""

    __tablename__ = "shift"
    __table_args__ = (
        UniqueConstraint("driver_id", "date", "starts_at"),
        CheckConstraint("starts_at < ends_at", name="order"),
    )
    __entity__ = "shift"

    driver_id: UUID = Field(foreign_key="driver.id")
    vehicle_id: UUID = Field(foreign_key="vehicle.id")
    date: dt.date = Field(index=True)
    starts_at: dt.datetime = Field(sa_type=UtcTime)
    ends_at: dt.datetime = Field(sa_type=UtcTime)
