"""Queries for the console's pages: a day's routes, one route's stops, one stop's sheet."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from backend.domain.route import RouteState
from backend.domain.stop import ProofState, StopState
from backend.tables.consignments import Consignment, Parcel
from backend.tables.fleet import Depot, Driver, Vehicle
from backend.tables.people import Person
from backend.tables.plans import Route
from backend.tables.stops import Override, OverrideState, Stop


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route of the day and how far it got."""

    id: UUID
    depot: str
    timezone: str
    date: dt.date
    driver: str
    vehicle: str
    state: str
    stops: int
    delivered: int
    failed: int
    cancelled: int
    proofs_missing: int
    late: int
    ends: dt.datetime | None

    @property
    def left(self) -> int:
        """How many visits are still to be made."""
        return self.stops - self.delivered - self.failed - self.cancelled


@dataclass(frozen=True, slots=True)
class StopRow:
    """A stop as a line of its route."""

    id: UUID
    sequence: int
    state: str
    proof: str
    segment: str
    attempt: int
    eta: dt.datetime
    window_start: dt.datetime
    window_end: dt.datetime
    arrived_at: dt.datetime | None
    closed_at: dt.datetime | None
    method: str | None
    reason: str | None
    reference: str
    recipient: str
    address: list[str]
    postcode: str | None
    city: str
    lat: float | None
    lon: float | None
    route_id: UUID
    consignment_id: UUID
    version: int
    evidence_due_at: dt.datetime | None

    @property
    def is_late(self) -> bool:
        """Whether the goods come, or came, after the promised window."""
        if self.state == StopState.CANCELLED:
            return False
        return (self.closed_at or self.eta) > self.window_end


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """An override of a stop, as its sheet shows it."""

    id: UUID
    state: str
    to_state: str
    proof: str | None
    reason: str
    note: str
    requested_by: UUID
    requested_at: dt.datetime
    asked: str

    @property
    def waits(self) -> bool:
        """Whether a second person is still to confirm."""
        return self.state == OverrideState.AWAITING_SECOND


_STOP: tuple[Mapped[Any], ...] = (
    col(Stop.id),
    col(Stop.sequence),
    col(Stop.state),
    col(Stop.proof),
    col(Stop.segment),
    col(Stop.attempt),
    col(Stop.eta),
    col(Stop.window_start),
    col(Stop.window_end),
    col(Stop.arrived_at),
    col(Stop.closed_at),
    col(Stop.method),
    col(Stop.reason),
    col(Consignment.reference),
    col(Consignment.recipient_name),
    col(Consignment.address_lines),
    col(Consignment.postcode),
    col(Consignment.city),
    col(Consignment.lat),
    col(Consignment.lon),
    col(Stop.route_id),
    col(Stop.consignment_id),
    col(Stop.version),
    col(Stop.evidence_due_at),
)


async def days(tx: AsyncSession, depots: Collection[UUID] | None) -> list[dt.date]:
    """Return the newest days that have routes, latest first."""
    query = (
        select(col(Route.date))
        .where(_within(depots), col(Route.state) != RouteState.SUPERSEDED)
        .distinct()
        .order_by(col(Route.date).desc())
        .limit(30)
    )
    return list(await tx.scalars(query))


async def routes(
    tx: AsyncSession, depots: Collection[UUID] | None, date: dt.date
) -> list[RouteRow]:
    """Return the routes of a day, by depot and driver."""
    query = _routes().where(
        _within(depots), col(Route.date) == date, col(Route.state) != RouteState.SUPERSEDED
    )
    return [RouteRow(*row) for row in await tx.execute(query)]


async def route(tx: AsyncSession, route_id: UUID) -> RouteRow | None:
    """Find a route."""
    row = (await tx.execute(_routes().where(col(Route.id) == route_id))).one_or_none()
    return None if row is None else RouteRow(*row)


async def depot_of_route(tx: AsyncSession, route_id: UUID) -> UUID | None:
    """Return a route's depot."""
    return await tx.scalar(select(col(Route.depot_id)).where(col(Route.id) == route_id))


def _routes() -> Select[*tuple[Any, ...]]:
    shown: tuple[Any, ...] = (
        col(Route.id),
        col(Depot.code),
        col(Depot.timezone),
        col(Route.date),
        col(Driver.name),
        col(Vehicle.code),
        col(Route.state),
        func.count(col(Stop.id)),
        _sum(col(Stop.state) == StopState.DELIVERED),
        _sum(col(Stop.state) == StopState.FAILED),
        _sum(col(Stop.state) == StopState.CANCELLED),
        _sum(col(Stop.proof).in_((ProofState.AWAITED.value, ProofState.REFUSED.value))),
        _sum(
            (func.coalesce(col(Stop.closed_at), col(Stop.eta)) > col(Stop.window_end))
            & (col(Stop.state) != StopState.CANCELLED)
        ),
        func.max(col(Stop.eta)),
    )
    return (
        select(*shown)
        .join(Depot, col(Depot.id) == col(Route.depot_id))
        .join(Driver, col(Driver.id) == col(Route.driver_id))
        .join(Vehicle, col(Vehicle.id) == col(Route.vehicle_id))
        .outerjoin(Stop, col(Stop.route_id) == col(Route.id))
        .group_by(
            col(Route.id),
            col(Depot.code),
            col(Depot.timezone),
            col(Driver.name),
            col(Vehicle.code),
        )
        .order_by(col(Depot.code), col(Driver.name), col(Route.id))
    )


def _sum(what: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((what, 1), else_=0)), 0)


def _within(depots: Collection[UUID] | None) -> ColumnElement[bool]:
    return true() if depots is None else col(Route.depot_id).in_(depots)


async def stops(tx: AsyncSession, route_id: UUID) -> list[StopRow]:
    """Return a route's stops in order."""
    query = (
        select(*_STOP)
        .join(Consignment, col(Consignment.id) == col(Stop.consignment_id))
        .where(col(Stop.route_id) == route_id)
        .order_by(col(Stop.sequence), col(Stop.id))
    )
    return [StopRow(*row) for row in await tx.execute(query)]


async def stop(tx: AsyncSession, stop_id: UUID) -> StopRow | None:
    """Find a stop."""
    query = (
        select(*_STOP)
        .join(Consignment, col(Consignment.id) == col(Stop.consignment_id))
        .where(col(Stop.id) == stop_id)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else StopRow(*row)


async def parcels(tx: AsyncSession, consignment_id: UUID) -> list[tuple[str, str | None]]:
    """Return a consignment's parcels: barcode and description."""
    query = (
        select(col(Parcel.barcode), col(Parcel.description))
        .where(col(Parcel.consignment_id) == consignment_id)
        .order_by(col(Parcel.barcode))
    )
    return [(row[0], row[1]) for row in await tx.execute(query)]


async def overrides(tx: AsyncSession, stop_id: UUID) -> list[OverrideRow]:
    """Return a stop's overrides, oldest first."""
    shown: tuple[Mapped[Any], ...] = (
        col(Override.id),
        col(Override.state),
        col(Override.to_state),
        col(Override.proof),
        col(Override.reason),
        col(Override.note),
        col(Override.requested_by),
        col(Override.requested_at),
        col(Person.email),
    )
    query = (
        select(*shown)
        .join(Person, col(Person.id) == col(Override.requested_by))
        .where(col(Override.stop_id) == stop_id)
        .order_by(col(Override.id))
    )
    return [OverrideRow(*row) for row in await tx.execute(query)]


async def today(tx: AsyncSession, depots: Collection[UUID] | None, now: dt.datetime) -> dt.date:
    """Return the present date at the first depot in scope; in UTC where there is none."""
    query = select(func.date(func.timezone(col(Depot.timezone), now))).order_by(col(Depot.code))
    if depots is not None:
        query = query.where(col(Depot.id).in_(depots))
    return await tx.scalar(query.limit(1)) or now.date()
