"""Routes and plans as the control room reads them, and what an edit of a route needs to know."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlmodel import col

from backend.domain.route import RouteState
from backend.store.database import Tx, moment
from backend.tables.consignments import Consignment
from backend.tables.fleet import Depot, Shift
from backend.tables.plans import Plan, Route
from backend.tables.stops import Stop, StopAssignment


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route as a list shows it."""

    id: UUID
    plan_id: UUID | None
    depot: str
    date: dt.date
    state: str
    version: int
    driver_id: UUID
    vehicle_id: UUID
    shift_id: UUID
    released_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class StopLine:
    """A stop as a route shows it."""

    id: UUID
    route_id: UUID
    consignment_id: UUID
    sequence: int
    state: str
    proof: str
    attempt: int
    segment: str
    eta: dt.datetime
    window_start: dt.datetime
    window_end: dt.datetime
    version: int
    pinned: bool
    arrived_at: dt.datetime | None
    closed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stop is."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Start:
    """Where and when a route starts."""

    depot: Place
    at: dt.datetime


async def plan(tx: Tx, plan_id: UUID) -> Plan | None:
    """Return a plan, not locked."""
    return await tx.get(Plan, plan_id)


async def depot_of(tx: Tx, route_id: UUID) -> UUID | None:
    """Return the depot of a route."""
    return await tx.scalar(select(col(Route.depot_id)).where(col(Route.id) == route_id))


async def listed(
    tx: Tx,
    scope: Collection[UUID] | None,
    depot: str | None,
    date: dt.date | None,
    after: UUID | None,
    limit: int,
) -> Sequence[RouteLine]:
    """Return a page of routes that count: superseded ones are left out."""
    query = _ROUTE.where(col(Route.state) != RouteState.SUPERSEDED)
    if scope is not None:
        query = query.where(col(Route.depot_id).in_(scope))
    if depot is not None:
        query = query.where(col(Depot.code) == depot)
    if date is not None:
        query = query.where(col(Route.date) == date)
    if after is not None:
        query = query.where(col(Route.id) > after)
    rows = await tx.execute(query.order_by(col(Route.id)).limit(limit))
    return [RouteLine(*row) for row in rows]


async def one(tx: Tx, route_id: UUID) -> RouteLine | None:
    """Return a route."""
    row = (await tx.execute(_ROUTE.where(col(Route.id) == route_id))).one_or_none()
    return None if row is None else RouteLine(*row)


async def some(tx: Tx, ids: Collection[UUID]) -> list[RouteLine]:
    """Return routes by their ids."""
    return [RouteLine(*row) for row in await tx.execute(_ROUTE.where(col(Route.id).in_(ids)))]


async def some_stops(tx: Tx, ids: Collection[UUID]) -> list[StopLine]:
    """Return stops by their ids."""
    return [StopLine(*row) for row in await tx.execute(_STOP.where(col(Stop.id).in_(ids)))]


async def stops(tx: Tx, routes: Collection[UUID]) -> dict[UUID, list[StopLine]]:
    """Return the stops of routes, in order, by route."""
    found: dict[UUID, list[StopLine]] = {route_id: [] for route_id in routes}
    query = _STOP.where(col(Stop.route_id).in_(found)).order_by(col(Stop.sequence), col(Stop.id))
    for row in await tx.execute(query):
        line = StopLine(*row)
        found[line.route_id].append(line)
    return found


async def places(tx: Tx, consignments: Collection[UUID]) -> dict[UUID, Place]:
    """Return where consignments go; those without a location are absent."""
    query = select(col(Consignment.id), col(Consignment.lat), col(Consignment.lon)).where(
        col(Consignment.id).in_(consignments)
    )
    return {
        row[0]: Place(row[1], row[2])
        for row in await tx.execute(query)
        if row[1] is not None and row[2] is not None
    }


async def start(tx: Tx, route: Route) -> Start:
    """Return where and when a route starts."""
    query = (
        select(col(Depot.lat), col(Depot.lon), col(Shift.starts_at))
        .join(Shift, col(Shift.id) == route.shift_id)
        .where(col(Depot.id) == route.depot_id)
    )
    lat, lon, at = (await tx.execute(query)).one()
    return Start(Place(lat, lon), at)


async def hand_over(tx: Tx, stop_id: UUID, driver_id: UUID) -> None:
    """Write down that whoever held a stop before this driver holds it no longer."""
    await tx.execute(
        update(StopAssignment)
        .where(
            col(StopAssignment.stop_id) == stop_id,
            col(StopAssignment.driver_id) != driver_id,
            col(StopAssignment.until).is_(None),
        )
        .values(until=moment(tx))
    )


_ROUTE: Select[*tuple[Any, ...]] = select(
    col(Route.id),
    col(Route.plan_id),
    col(Depot.code),
    col(Route.date),
    col(Route.state),
    col(Route.version),
    col(Route.driver_id),
    col(Route.vehicle_id),
    col(Route.shift_id),
    col(Route.released_at),
).join(Depot, col(Depot.id) == col(Route.depot_id))

_STOP: Select[*tuple[Any, ...]] = select(
    col(Stop.id),
    col(Stop.route_id),
    col(Stop.consignment_id),
    col(Stop.sequence),
    col(Stop.state),
    col(Stop.proof),
    col(Stop.attempt),
    col(Stop.segment),
    col(Stop.eta),
    col(Stop.window_start),
    col(Stop.window_end),
    col(Stop.version),
    col(Stop.pinned),
    col(Stop.arrived_at),
    col(Stop.closed_at),
)
