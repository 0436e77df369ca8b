"""Planning runs and the routes they made."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from backend.domain.route import PlanState, RouteState
from backend.tables.base import Audited, Row, UtcTime, audited, one_of


class Plan(Row, table=True):
    """A run of the planner: a job with a claim, not a fact; its routes are the audited outcome."""

    __tablename__ = "plan"
    __table_args__ = (
        one_of("state", PlanState),
        Index("ix_plan_depot_date", "depot_id", "date"),
        Index("uq_plan_nightly", "depot_id", "date", unique=True, postgresql_where=text("nightly")),
    )

    id: UUID = Field(primary_key=True)
    depot_id: UUID = Field(foreign_key="depot.id")
    date: dt.date
    state: str
    nightly: bool = False
    requested_by: str
    time_limit_s: float
    engine: str
    progress: float = 0.0
    cost: int | None = None
    routes: int = 0
    assigned: int = 0
    unassigned: list[Any] = Field(sa_type=JSONB)
    error: str | None = None
    superseded: bool = False
    claimed_by: str | None = None
    claimed_until: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    created_at: dt.datetime = Field(sa_type=UtcTime)
    finished_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    released_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)


@audited
class Route(Audited, table=True):
    """Ordered stops for one driver, vehicle and shift.

    ``manifest_driver_id`` is set while the route is on a driver's manifest; the feed follows it.
    """

    __tablename__ = "route"
    __table_args__ = (
        one_of("state", RouteState),
        Index("ix_route_depot_date", "depot_id", "date"),
        Index("ix_route_manifest", "manifest_driver_id"),
    )
    __entity__ = "route"

    plan_id: UUID | None = Field(default=None, foreign_key="plan.id", index=True)
    depot_id: UUID = Field(foreign_key="depot.id")
    date: dt.date
    state: str
    driver_id: UUID = Field(foreign_key="driver.id")
    vehicle_id: UUID = Field(foreign_key="vehicle.id")
    shift_id: UUID = Field(foreign_key="shift.id")
    manifest_driver_id: UUID | None = Field(default=None, foreign_key="driver.id")
    released_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    started_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
    finished_at: dt.datetime | None = Field(default=None, sa_type=UtcTime)
