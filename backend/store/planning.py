"""What a depot's day consists of: the consignments to visit, the shifts to visit them with."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Mapped
from sqlmodel import col

from backend.domain.consignment import ConsignmentState
from backend.domain.route import PlanState, RouteState
from backend.domain.stop import StopState
from backend.store.database import Tx
from backend.tables.consignments import Consignment, Parcel
from backend.tables.fleet import Depot, Driver, Shift, Vehicle
from backend.tables.plans import Plan, Route
from backend.tables.stops import Stop


@dataclass(frozen=True, slots=True)
class DepotFacts:
    """Where the day starts and ends, and in which zone its date is meant."""

    id: UUID
    code: str
    lat: float
    lon: float
    timezone: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The parcels of a consignment, added up."""

    parcels: int = 0
    weight_kg: float = 0.0
    volume_dm3: float = 0.0
    handling: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Goods:
    """A consignment as the planner sees it; ``attempts`` counts the visits it had."""

    id: UUID
    version: int
    reference: str
    state: str
    segment: str
    lat: float | None
    lon: float | None
    window_start: dt.datetime | None
    window_end: dt.datetime | None
    attempts: int
    contents: Contents


@dataclass(frozen=True, slots=True)
class CrewFacts:
    """A shift with its van and the skills of both."""

    shift_id: UUID
    driver_id: UUID
    vehicle_id: UUID
    starts_at: dt.datetime
    ends_at: dt.datetime
    capacity_kg: float
    capacity_dm3: float
    vehicle_skills: frozenset[str]
    driver_skills: frozenset[str]


@dataclass(frozen=True, slots=True)
class Engagement:
    """A visit that a shift already owes to a released route."""

    shift_id: UUID
    ends_at: dt.datetime
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Pinned:
    """A dispatcher's pin on a plan that is about to be replaced."""

    consignment_id: UUID
    shift_id: UUID
    sequence: int


async def depot(tx: Tx, depot_id: UUID) -> DepotFacts:
    """Return a depot."""
    found = await tx.get_one(Depot, depot_id)
    return DepotFacts(found.id, found.code, found.lat, found.lon, found.timezone)


async def goods(tx: Tx, depot_id: UUID, date: dt.date) -> list[Goods]:
    """Return whom a depot's day is to visit, or to explain.

    These are the day's own consignments, and from earlier days those that were tried already or
    that a released plan left over; nobody who is on a released route or has a final fate.
    """
    query = (
        select(
            col(Consignment.id),
            col(Consignment.version),
            col(Consignment.reference),
            col(Consignment.state),
            col(Consignment.segment),
            col(Consignment.lat),
            col(Consignment.lon),
            col(Consignment.window_start),
            col(Consignment.window_end),
            col(Consignment.attempts),
        )
        .where(
            col(Consignment.depot_id) == depot_id,
            or_(
                and_(col(Consignment.service_date) == date, _unplanned(depot_id, date)),
                and_(
                    col(Consignment.service_date) < date,
                    col(Consignment.state) == ConsignmentState.READY,
                    or_(col(Consignment.attempts) > 0, _left_over()),
                ),
            ),
        )
        .order_by(col(Consignment.id))
    )
    rows = (await tx.execute(query)).all()
    contents = await _contents(tx, [row[0] for row in rows])
    return [Goods(**row._asdict(), contents=contents.get(row[0], Contents())) for row in rows]


def _unplanned(depot_id: UUID, date: dt.date) -> ColumnElement[bool]:
    """It has no visit yet, or one on a plan of this day that nobody released."""
    waiting = (ConsignmentState.READY, ConsignmentState.NEEDS_ATTENTION)
    on_paper = _planned_stops(col(Stop.id), depot_id, date).where(
        col(Stop.consignment_id) == col(Consignment.id)
    )
    return or_(
        col(Consignment.state).in_(waiting),
        and_(col(Consignment.state) == ConsignmentState.PLANNED, on_paper.exists()),
    )


def _left_over() -> ColumnElement[bool]:
    """Its own day was planned and driven without it."""
    return (
        select(col(Plan.id))
        .where(
            col(Plan.depot_id) == col(Consignment.depot_id),
            col(Plan.date) == col(Consignment.service_date),
            col(Plan.released_at).is_not(None),
        )
        .exists()
    )


def _planned_stops(
    column: Mapped[Any], depot_id: UUID, date: dt.date, *more: Mapped[Any]
) -> Select[*tuple[Any, ...]]:
    return (
        select(column, *more)
        .join(Route, col(Route.id) == col(Stop.route_id))
        .join(Plan, col(Plan.id) == col(Route.plan_id))
        .where(
            col(Stop.state) == StopState.PLANNED,
            col(Plan.depot_id) == depot_id,
            col(Plan.date) == date,
            col(Plan.state) == PlanState.DONE,
            col(Plan.released_at).is_(None),
        )
    )


async def _contents(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Contents]:
    query = (
        select(
            col(Parcel.consignment_id),
            func.count(),
            func.sum(col(Parcel.weight_kg)),
            func.sum(col(Parcel.volume_dm3)),
            func.jsonb_agg(col(Parcel.handling)),
        )
        .where(col(Parcel.consignment_id).in_(ids))
        .group_by(col(Parcel.consignment_id))
    )
    return {
        consignment_id: Contents(parcels, kg, dm3, frozenset(w for words in hands for w in words))
        for consignment_id, parcels, kg, dm3, hands in await tx.execute(query)
    }


async def pins(tx: Tx, depot_id: UUID, date: dt.date) -> list[Pinned]:
    """Return the pins on plans that are about to be replaced."""
    query = _planned_stops(
        col(Stop.consignment_id), depot_id, date, col(Route.shift_id), col(Stop.sequence)
    ).where(col(Stop.pinned).is_(True))
    return [Pinned(*row) for row in await tx.execute(query)]


async def crews(tx: Tx, depot_id: UUID, date: dt.date) -> list[CrewFacts]:
    """Return the depot's shifts of that day."""
    query = (
        select(
            col(Shift.id),
            col(Shift.driver_id),
            col(Shift.vehicle_id),
            col(Shift.starts_at),
            col(Shift.ends_at),
            col(Vehicle.capacity_kg),
            col(Vehicle.capacity_dm3),
            col(Vehicle.skills),
            col(Driver.skills),
        )
        .join(Driver, col(Driver.id) == col(Shift.driver_id))
        .join(Vehicle, col(Vehicle.id) == col(Shift.vehicle_id))
        .where(col(Driver.depot_id) == depot_id, col(Shift.date) == date)
        .order_by(col(Shift.id))
    )
    return [
        CrewFacts(*row[:-2], frozenset(row[-2]), frozenset(row[-1]))
        for row in await tx.execute(query)
    ]


async def engagements(tx: Tx, depot_id: UUID, date: dt.date) -> list[Engagement]:
    """Return the visits that shifts of that day already owe to released routes."""
    query = (
        select(
            col(Route.shift_id),
            col(Stop.eta),
            col(Stop.service_s),
            col(Consignment.lat),
            col(Consignment.lon),
        )
        .join(Route, col(Route.id) == col(Stop.route_id))
        .join(Consignment, col(Consignment.id) == col(Stop.consignment_id))
        .where(
            col(Route.depot_id) == depot_id,
            col(Route.date) == date,
            col(Route.state).in_((RouteState.RELEASED, RouteState.STARTED, RouteState.FINISHED)),
            col(Stop.state) != StopState.CANCELLED,
        )
    )
    return [
        Engagement(shift_id, eta + dt.timedelta(seconds=service_s), lat, lon)
        for shift_id, eta, service_s, lat, lon in await tx.execute(query)
        if lat is not None and lon is not None
    ]


async def depots(tx: Tx) -> list[DepotFacts]:
    """Return every depot."""
    rows = await tx.scalars(select(Depot).order_by(col(Depot.id)))
    return [DepotFacts(row.id, row.code, row.lat, row.lon, row.timezone) for row in rows]


async def awaits_a_plan(tx: Tx, depot_id: UUID, date: dt.date) -> bool:
    """Tell whether somebody waits to be planned for that day and nobody has planned it yet."""
    planned = select(col(Plan.id)).where(
        col(Plan.depot_id) == depot_id,
        col(Plan.date) == date,
        col(Plan.state) != PlanState.FAILED,
    )
    if await tx.scalar(select(planned.exists())):
        return False
    return bool(await goods(tx, depot_id, date)) and bool(await crews(tx, depot_id, date))


async def special_skills(tx: Tx, depot_id: UUID) -> frozenset[str]:
    """Return every skill that some van or driver of a depot has."""
    words: set[str] = set()
    for table in (Vehicle, Driver):
        query = select(col(table.skills)).where(col(table.depot_id) == depot_id)
        words.update(word for skills in await tx.scalars(query) for word in skills)
    return frozenset(words)
