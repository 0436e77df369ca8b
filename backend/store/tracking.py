"""What a customer's link leads to: one consignment, its latest visit, and how far the route got."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlmodel import col

from backend.domain.stop import StopState
from backend.store.database import Tx
from backend.tables.consignments import Consignment
from backend.tables.evidence import Evidence, EvidenceRef
from backend.tables.fleet import Depot, Shift
from backend.tables.plans import Route
from backend.tables.stops import Stop


@dataclass(frozen=True, slots=True)
class Visit:
    """The latest visit to a customer."""

    stop_id: UUID
    state: str
    proof: str
    policy_version: int
    sequence: int
    eta: datetime
    window_start: datetime
    window_end: datetime
    door_issue: int
    door_expires_at: datetime | None
    method: str | None
    reason: str | None
    closed_at: datetime | None
    route_id: UUID
    route_state: str
    started_at: datetime | None
    shift_start: datetime


@dataclass(frozen=True, slots=True)
class Tracked:
    """A consignment as its customer may know it; no address, no name."""

    consignment_id: UUID
    depot_id: UUID
    reference: str
    state: str
    segment: str
    service_date: date
    window_start: datetime | None
    window_end: datetime | None
    safe_place: str | None
    timezone: str
    visit: Visit | None


async def find(tx: Tx, tracking_hash: bytes) -> Tracked | None:
    """Find the consignment of a link, by the hash of its token."""
    query: Select[*tuple[Any, ...]] = (
        select(
            col(Consignment.id).label("consignment_id"),
            col(Consignment.depot_id),
            col(Consignment.reference),
            col(Consignment.state),
            col(Consignment.segment),
            col(Consignment.service_date),
            col(Consignment.window_start),
            col(Consignment.window_end),
            col(Consignment.safe_place),
            col(Depot.timezone),
        )
        .join(Depot, col(Depot.id) == col(Consignment.depot_id))
        .where(col(Consignment.tracking_hash) == tracking_hash)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    return Tracked(**row._asdict(), visit=await _latest_visit(tx, row.consignment_id))


async def _latest_visit(tx: Tx, consignment_id: UUID) -> Visit | None:
    """Return the visit that counts: the newest that was not cancelled, else the newest."""
    query: Select[*tuple[Any, ...]] = (
        select(
            col(Stop.id).label("stop_id"),
            col(Stop.state),
            col(Stop.proof),
            col(Stop.policy_version),
            col(Stop.sequence),
            col(Stop.eta),
            col(Stop.window_start),
            col(Stop.window_end),
            col(Stop.door_issue),
            col(Stop.door_expires_at),
            col(Stop.method),
            col(Stop.reason),
            col(Stop.closed_at),
            col(Route.id).label("route_id"),
            col(Route.state).label("route_state"),
            col(Route.started_at),
            col(Shift.starts_at).label("shift_start"),
        )
        .join(Route, col(Route.id) == col(Stop.route_id))
        .join(Shift, col(Shift.id) == col(Route.shift_id))
        .where(col(Stop.consignment_id) == consignment_id)
        .order_by(
            col(Stop.state) == StopState.CANCELLED, col(Stop.attempt).desc(), col(Stop.id).desc()
        )
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Visit(**row._asdict())


async def stops_before(tx: Tx, visit: Visit) -> int:
    """Count the visits that the driver still makes before this one."""
    query = select(func.count()).where(
        col(Stop.route_id) == visit.route_id,
        col(Stop.sequence) < visit.sequence,
        col(Stop.state).in_([StopState.RELEASED, StopState.ARRIVED]),
    )
    return (await tx.execute(query)).scalar_one()


async def proof_kinds(tx: Tx, stop_id: UUID) -> list[str]:
    """Return which kinds of file were shown and verified at a visit."""
    query = (
        select(col(EvidenceRef.kind))
        .join(
            Evidence,
            (col(Evidence.sha256) == col(EvidenceRef.sha256))
            & (col(Evidence.driver_id) == col(EvidenceRef.driver_id)),
        )
        .where(
            col(EvidenceRef.stop_id) == stop_id,
            col(EvidenceRef.counts),
            col(Evidence.erased_at).is_(None),
        )
        .distinct()
        .order_by(col(EvidenceRef.kind))
    )
    return list(await tx.scalars(query))


async def lock_consignment(tx: Tx, consignment_id: UUID) -> None:
    """Hold a consignment."""
    query = select(col(Consignment.id)).where(col(Consignment.id) == consignment_id)
    await tx.execute(query.with_for_update())
