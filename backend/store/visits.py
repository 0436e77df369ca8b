"""Queries behind judging what happened at stops and on routes: held rows and their history."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlmodel import col

from backend.domain.people import ActorType
from backend.store.database import Tx
from backend.tables.audit import AuditEntry
from backend.tables.plans import Route
from backend.tables.stops import RouteAssignment, Stop, StopAssignment, StopEvent


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a stop's timeline, as far as a later one is judged by it."""

    id: UUID
    stop_id: UUID
    version: int
    kind: str
    source: str
    actor_id: str
    device_id: UUID | None
    mutation_id: UUID | None
    happened: datetime
    uncertainty_ms: int | None
    known: datetime
    to: str | None
    barcode: str | None


async def lock_stops(tx: Tx, driver_id: UUID, ids: Collection[UUID]) -> dict[UUID, Stop]:
    """Hold, in id order, those of the stops that ever were this driver's; read them afresh."""
    if not ids:
        return {}
    query = (
        select(Stop)
        .join(StopAssignment, col(StopAssignment.stop_id) == col(Stop.id))
        .where(col(Stop.id).in_(ids), col(StopAssignment.driver_id) == driver_id)
        .order_by(col(Stop.id))
        .with_for_update(of=Stop)
        .execution_options(populate_existing=True)
    )
    return {stop.id: stop for stop in await tx.scalars(query)}


async def left_with(tx: Tx, driver_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the stops that nobody was given after this driver."""
    if not ids:
        return set()
    query = select(col(StopAssignment.stop_id)).where(
        col(StopAssignment.stop_id).in_(ids),
        col(StopAssignment.driver_id) == driver_id,
        col(StopAssignment.until).is_(None),
    )
    return set(await tx.scalars(query))


async def lock_routes(tx: Tx, driver_id: UUID, ids: Collection[UUID]) -> dict[UUID, Route]:
    """Hold, in id order, those of the routes that ever were this driver's; read them afresh."""
    if not ids:
        return {}
    query = (
        select(Route)
        .join(RouteAssignment, col(RouteAssignment.route_id) == col(Route.id))
        .where(col(Route.id).in_(ids), col(RouteAssignment.driver_id) == driver_id)
        .order_by(col(Route.id))
        .with_for_update(of=Route)
        .execution_options(populate_existing=True)
    )
    return {route.id: route for route in await tx.scalars(query)}


_TOLD = (
    col(StopEvent.id),
    col(StopEvent.stop_id),
    col(StopEvent.version),
    col(StopEvent.kind),
    col(StopEvent.source),
    col(StopEvent.actor_id),
    col(StopEvent.device_id),
    col(StopEvent.mutation_id),
    col(StopEvent.happened),
    col(StopEvent.uncertainty_ms),
    col(StopEvent.known),
    col(StopEvent.body)["to"].as_string().label("to"),
    col(StopEvent.body)["barcode"].as_string().label("barcode"),
)


async def told(
    tx: Tx, stops: Collection[Stop], since: Mapping[UUID, int], device_id: UUID
) -> dict[UUID, list[Told]]:
    """Return what closed each stop, and what others than this device told since a version.

    Verdicts on proofs are left out: they follow from what others told.
    """
    closed = [stop.closed_by for stop in stops if stop.closed_by is not None]
    newer = [stop.id for stop in stops if stop.version > since.get(stop.id, stop.version)]
    if not closed and not newer:
        return {}
    others = and_(
        col(StopEvent.stop_id).in_(newer),
        col(StopEvent.version) > min((since[id_] for id_ in newer), default=0),
        col(StopEvent.device_id).is_distinct_from(device_id),
        ~col(StopEvent.kind).startswith("proof."),
    )
    query = select(*_TOLD).where(or_(col(StopEvent.id).in_(closed), others))
    found: dict[UUID, list[Told]] = {}
    for row in await tx.execute(query.order_by(col(StopEvent.version))):
        found.setdefault(row.stop_id, []).append(Told(*row))
    return found


async def route_office_version(tx: Tx, route_id: UUID) -> int:
    """Return a route's version at the latest change that no driver made."""
    query = select(func.max(col(AuditEntry.n))).where(
        col(AuditEntry.entity) == Route.__entity__,
        col(AuditEntry.entity_id) == str(route_id),
        col(AuditEntry.actor_type) != ActorType.DRIVER.value,
    )
    return (await tx.scalar(query)) or 0


_ENDINGS = ("stop.delivered", "stop.failed", "stop.corrected")


async def has_closed(tx: Tx, stop_id: UUID, driver_id: UUID, mutation_id: UUID) -> bool:
    """Return whether this mutation of the driver once closed the stop."""
    query = select(col(StopEvent.id)).where(
        col(StopEvent.stop_id) == stop_id,
        col(StopEvent.mutation_id) == mutation_id,
        col(StopEvent.source) == ActorType.DRIVER.value,
        col(StopEvent.actor_id) == str(driver_id),
        col(StopEvent.kind).in_(_ENDINGS),
        col(StopEvent.outcome).in_(("applied", "conflict")),
    )
    return await tx.scalar(query.limit(1)) is not None


async def route_stops(tx: Tx, route_id: UUID) -> list[Stop]:
    """Return a route's stops in order, as this transaction has them; none are locked here."""
    query = select(Stop).where(col(Stop.route_id) == route_id)
    return list(await tx.scalars(query.order_by(col(Stop.sequence), col(Stop.id))))
