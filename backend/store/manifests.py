"""Reads behind a manifest: routes, stops and parcels as they are now, as plain values."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col

from backend.store.database import Tx
from backend.tables.consignments import Consignment, Parcel
from backend.tables.devices import DeviceJournal
from backend.tables.evidence import Evidence, EvidenceRef
from backend.tables.fleet import Depot, Shift, Vehicle
from backend.tables.installation import Installation
from backend.tables.plans import Route
from backend.tables.scopes import Scope
from backend.tables.stops import Stop

MOST_WANTED = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a device and its driver's scope stand, in one look."""

    epoch: UUID
    v: int
    floor: int
    acked_n: int
    seen_at: datetime | None
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route as a manifest shows it."""

    id: UUID
    version: int
    date: date
    state: str
    released_at: datetime | None
    depot_name: str
    depot_lat: float
    depot_lon: float
    vehicle: str
    shift_start: datetime
    shift_end: datetime
    stop_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ParcelLine:
    """A parcel as a manifest shows it."""

    id: UUID
    barcode: str
    description: str | None
    weight_kg: float
    handling: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopLine:
    """A stop and its consignment, as far as a manifest may show them."""

    id: UUID
    route_id: UUID
    consignment_id: UUID
    sequence: int
    version: int
    state: str
    proof: str
    attempt: int
    segment: str
    priority: int
    eta: datetime
    window_start: datetime
    window_end: datetime
    service_s: int
    policy_version: int
    door_issue: int
    door_expires_at: datetime | None
    recipient_name: str
    recipient_phone: str | None
    customer_name: str | None
    address_lines: tuple[str, ...]
    postcode: str | None
    city: str
    lat: float | None
    lon: float | None
    instructions: str | None
    safe_place: str | None


async def standing(tx: Tx, device_id: UUID, driver_id: UUID, scope: str) -> Standing:
    """Look up what an idle sync needs, in one statement."""
    unverified = (
        select(col(EvidenceRef.sha256))
        .join(Stop, col(Stop.id) == col(EvidenceRef.stop_id))
        .where(
            col(Stop.manifest_driver_id) == driver_id,
            col(EvidenceRef.driver_id) == driver_id,
            ~select(col(Evidence.id))
            .where(
                col(Evidence.driver_id) == driver_id,
                col(Evidence.sha256) == col(EvidenceRef.sha256),
            )
            .exists(),
        )
        .distinct()
        .order_by(col(EvidenceRef.sha256))
        .limit(MOST_WANTED)
        .subquery()
    )
    facts = select(
        col(Installation.epoch),
        col(Scope.v),
        col(Scope.floor),
        col(DeviceJournal.acked_n),
        col(DeviceJournal.seen_at),
        select(func.array_agg(unverified.c.sha256)).scalar_subquery().label("wanted"),
    )
    query = (
        facts.select_from(Installation)
        .join(DeviceJournal, col(DeviceJournal.device_id) == device_id)
        .outerjoin(Scope, col(Scope.id) == scope)
    )
    row = (await tx.execute(query)).one()
    return Standing(
        row.epoch, row.v or 0, row.floor or 0, row.acked_n, row.seen_at, tuple(row.wanted or ())
    )


async def routes(tx: Tx, ids: Collection[UUID]) -> list[RouteLine]:
    """Return routes with the order of their stops that are still on the manifest."""
    if not ids:
        return []
    order = (
        select(func.array_agg(aggregate_order_by(col(Stop.id), col(Stop.sequence), col(Stop.id))))
        .where(
            col(Stop.route_id) == col(Route.id),
            col(Stop.manifest_driver_id) == col(Route.manifest_driver_id),
        )
        .scalar_subquery()
    )
    query: Select[*tuple[Any, ...]] = (
        select(
            col(Route.id),
            col(Route.version),
            col(Route.date),
            col(Route.state),
            col(Route.released_at),
            col(Depot.name).label("depot_name"),
            col(Depot.lat).label("depot_lat"),
            col(Depot.lon).label("depot_lon"),
            col(Vehicle.code).label("vehicle"),
            col(Shift.starts_at).label("shift_start"),
            col(Shift.ends_at).label("shift_end"),
            order.label("stop_ids"),
        )
        .join(Depot, col(Depot.id) == col(Route.depot_id))
        .join(Vehicle, col(Vehicle.id) == col(Route.vehicle_id))
        .join(Shift, col(Shift.id) == col(Route.shift_id))
        .where(col(Route.id).in_(ids))
    )
    return [
        RouteLine(**{**row._asdict(), "stop_ids": tuple(row.stop_ids or ())})
        for row in await tx.execute(query)
    ]


_STOP = select(
    col(Stop.id),
    col(Stop.route_id),
    col(Stop.consignment_id),
    col(Stop.sequence),
    col(Stop.version),
    col(Stop.state),
    col(Stop.proof),
    col(Stop.attempt),
    col(Stop.segment),
    col(Stop.priority),
    col(Stop.eta),
    col(Stop.window_start),
    col(Stop.window_end),
    col(Stop.service_s),
    col(Stop.policy_version),
    col(Stop.door_issue),
    col(Stop.door_expires_at),
    col(Consignment.recipient_name),
    col(Consignment.recipient_phone),
    col(Consignment.customer_name),
    col(Consignment.address_lines),
    col(Consignment.postcode),
    col(Consignment.city),
    col(Consignment.lat),
    col(Consignment.lon),
    col(Consignment.instructions),
    col(Consignment.safe_place),
).join(Consignment, col(Consignment.id) == col(Stop.consignment_id))


async def stops(tx: Tx, ids: Collection[UUID]) -> list[StopLine]:
    """Return stops with what a manifest shows of their consignments."""
    if not ids:
        return []
    rows = await tx.execute(_STOP.where(col(Stop.id).in_(ids)))
    return [
        StopLine(**{**row._asdict(), "address_lines": tuple(row.address_lines)}) for row in rows
    ]


async def parcels(tx: Tx, consignment_ids: Collection[UUID]) -> dict[UUID, list[ParcelLine]]:
    """Return the parcels of consignments, by consignment, in a fixed order."""
    found: dict[UUID, list[ParcelLine]] = {id_: [] for id_ in consignment_ids}
    if not found:
        return found
    query = (
        select(
            col(Parcel.consignment_id),
            col(Parcel.id),
            col(Parcel.barcode),
            col(Parcel.description),
            col(Parcel.weight_kg),
            col(Parcel.handling),
        )
        .where(col(Parcel.consignment_id).in_(found))
        .order_by(col(Parcel.barcode), col(Parcel.id))
    )
    for row in await tx.execute(query):
        found[row[0]].append(ParcelLine(*row[1:5], tuple(row[5])))
    return found
