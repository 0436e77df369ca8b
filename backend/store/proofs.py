"""Queries behind a verdict: what was told and shown at a stop, and what is still due."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, distinct, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from backend.domain.stop import ProofState, StopState
from backend.store.database import Tx
from backend.tables.consignments import Consignment
from backend.tables.devices import Device
from backend.tables.evidence import Evidence, EvidenceRef, EvidenceUpload
from backend.tables.plans import Route
from backend.tables.stops import Stop, StopEvent


@dataclass(frozen=True, slots=True)
class Told:
    """The event that closed a stop, as the timeline keeps it."""

    kind: str
    body: Mapping[str, Any]
    fix: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Named:
    """A file that an event named, and what arrived of it.

    ``arrived_as`` and ``facts`` are those of the verified bytes, None while there are none;
    ``upload`` is the newest state of an upload of it.
    """

    sha256: str
    kind: str
    arrived_as: str | None
    facts: Mapping[str, Any] | None
    upload: str | None


@dataclass(frozen=True, slots=True)
class Reference:
    """A file as an event names it."""

    sha256: str
    kind: str
    size: int
    media_type: str


async def lock_stop(tx: Tx, stop_id: UUID) -> Stop | None:
    """Hold a stop and return it as it is now."""
    query = select(Stop).where(col(Stop.id) == stop_id).with_for_update()
    held = await tx.execute(query, execution_options={"populate_existing": True})
    return held.scalar_one_or_none()


async def closing_event(tx: Tx, stop: Stop) -> Told | None:
    """Return the event that closed a stop, None for one that no event closed."""
    if stop.closed_by is None:
        return None
    query = select(
        col(StopEvent.kind),
        col(StopEvent.body),
        col(StopEvent.fix),
    ).where(col(StopEvent.id) == stop.closed_by)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Told(*row)


async def notes(tx: Tx, stop_id: UUID) -> list[str]:
    """Return what drivers noted at a stop, in order."""
    query = (
        select(col(StopEvent.body)["text"].as_string())
        .where(col(StopEvent.stop_id) == stop_id, col(StopEvent.kind) == "stop.noted")
        .order_by(col(StopEvent.version))
    )
    return [text for text in await tx.scalars(query) if text]


async def parcels_scanned(tx: Tx, stop_id: UUID) -> int:
    """Count the different barcodes scanned for delivery at a stop."""
    query = select(func.count(distinct(col(StopEvent.body)["barcode"].as_string()))).where(
        col(StopEvent.stop_id) == stop_id,
        col(StopEvent.kind) == "parcel.scanned",
        col(StopEvent.body)["purpose"].as_string() == "deliver",
    )
    return (await tx.execute(query)).scalar_one()


async def place_of(tx: Tx, stop: Stop) -> tuple[float, float] | None:
    """Return where a stop is."""
    query = select(col(Consignment.lat), col(Consignment.lon)).where(
        col(Consignment.id) == stop.consignment_id
    )
    lat, lon = (await tx.execute(query)).one()
    return None if lat is None or lon is None else (lat, lon)


async def refer(
    tx: Tx, stop_id: UUID, driver_id: UUID, mutation_id: UUID, named: Sequence[Reference]
) -> None:
    """Keep which files an event names; naming one twice is harmless.

    The caller holds the device's journal, so no bytes of the driver's are entered meanwhile.
    """
    for item in named:
        here = select(col(Evidence.id)).where(
            col(Evidence.driver_id) == driver_id,
            col(Evidence.sha256) == item.sha256,
            col(Evidence.lost_at).is_(None),
        )
        values = {
            "mutation_id": mutation_id,
            "sha256": item.sha256,
            "stop_id": stop_id,
            "driver_id": driver_id,
            "kind": item.kind,
            "size": item.size,
            "media_type": item.media_type,
            "wanted": ~here.exists(),
        }
        await tx.execute(insert(EvidenceRef).values(values).on_conflict_do_nothing())


async def named(tx: Tx, stop_id: UUID) -> list[Named]:
    """Return every file that events at a stop named, with what arrived of it.

    Only bytes that the naming driver himself brought in count, from whichever of his devices.
    """
    newest_upload = (
        select(col(EvidenceUpload.state))
        .join(Device, col(Device.id) == col(EvidenceUpload.device_id))
        .where(
            col(EvidenceUpload.sha256) == col(EvidenceRef.sha256),
            col(Device.driver_id) == col(EvidenceRef.driver_id),
        )
        .order_by(col(EvidenceUpload.updated_at).desc())
        .limit(1)
        .correlate(EvidenceRef)
        .scalar_subquery()
    )
    arrived = and_(
        col(Evidence.sha256) == col(EvidenceRef.sha256),
        col(Evidence.driver_id) == col(EvidenceRef.driver_id),
    )
    query = (
        select(
            col(EvidenceRef.sha256),
            col(EvidenceRef.kind),
            col(Evidence.kind).label("arrived_as"),
            col(Evidence.facts),
            newest_upload.label("upload"),
        )
        .join(Evidence, arrived, isouter=True)
        .where(col(EvidenceRef.stop_id) == stop_id)
        .order_by(col(EvidenceRef.sha256), col(EvidenceRef.kind))
    )
    return [Named(*row) for row in await tx.execute(query)]


async def closed_between(
    tx: Tx,
    segment: str,
    start: datetime,
    end: datetime,
    *,
    depots: Collection[UUID] | None,
    limit: int,
) -> list[Stop]:
    """Return a segment's visits that ended in a period, oldest first; ``depots`` None for all."""
    query = (
        select(Stop)
        .where(
            col(Stop.segment) == segment,
            col(Stop.state).in_([StopState.DELIVERED, StopState.FAILED]),
            col(Stop.closed_at) >= start,
            col(Stop.closed_at) < end,
        )
        .order_by(col(Stop.closed_at), col(Stop.id))
        .limit(limit)
    )
    if depots is not None:
        within = select(col(Route.id)).where(col(Route.depot_id).in_(depots))
        query = query.where(col(Stop.route_id).in_(within))
    return list(await tx.scalars(query))


async def overdue(tx: Tx, now: datetime, *, limit: int) -> list[UUID]:
    """Return stops whose proof still waits though its time is over, in lock order."""
    query = (
        select(col(Stop.id))
        .where(col(Stop.proof) == ProofState.AWAITED, col(Stop.evidence_due_at) <= now)
        .order_by(col(Stop.id))
        .limit(limit)
    )
    return list(await tx.scalars(query))
