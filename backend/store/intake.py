"""What an import reads and locks: known references, known places, segments and their rules."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlmodel import col

from backend.domain.consignment import ConsignmentState
from backend.store.database import Tx
from backend.tables.consignments import Consignment, Parcel
from backend.tables.fleet import Depot
from backend.tables.segments import GazetteerPlace, Segment, SegmentRules
from backend.tables.stops import Stop

RULES = "assign"


@dataclass(frozen=True, slots=True)
class DepotKnown:
    """A depot as an import needs it."""

    id: UUID
    code: str
    timezone: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Known:
    """A consignment that is there already under a reference."""

    id: UUID
    depot_id: UUID
    reference: str
    state: ConsignmentState
    service_date: dt.date
    content_hash: bytes
    located: bool


async def depot_by_code(tx: Tx, code: str) -> DepotKnown | None:
    """Return a depot, or None."""
    depot = await tx.scalar(select(Depot).where(col(Depot.code) == code))
    if depot is None:
        return None
    return DepotKnown(depot.id, depot.code, depot.timezone, depot.lat, depot.lon)


async def one_import_at_a_time(tx: Tx) -> None:
    """Wait for other imports' transactions: two files with one new reference must not collide."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('doorstep import'))"))


async def known(tx: Tx, references: Collection[str]) -> dict[str, Known]:
    """Return what is there under these references."""
    query = select(
        col(Consignment.id),
        col(Consignment.depot_id),
        col(Consignment.reference),
        col(Consignment.state),
        col(Consignment.service_date),
        col(Consignment.content_hash),
        col(Consignment.lat).is_not(None),
    ).where(col(Consignment.reference).in_(references))
    rows = await tx.execute(query)
    return {
        row[2]: Known(row[0], row[1], row[2], ConsignmentState(row[3]), row[4], row[5], row[6])
        for row in rows
    }


async def lock(tx: Tx, ids: Collection[UUID]) -> dict[UUID, Consignment]:
    """Lock consignments with the stops that are on manifests (stops first, each by id)."""
    on_manifest = select(col(Stop.id)).where(
        col(Stop.consignment_id).in_(ids), col(Stop.manifest_driver_id).is_not(None)
    )
    await tx.execute(on_manifest.order_by(col(Stop.id)).with_for_update())
    query = select(Consignment).where(col(Consignment.id).in_(ids)).order_by(col(Consignment.id))
    rows = await tx.scalars(query.with_for_update())
    return {row.id: row for row in rows}


async def on_manifests(tx: Tx, consignment_id: UUID) -> list[UUID]:
    """Return the stops of a consignment that are on manifests, in lock order."""
    query = select(col(Stop.id)).where(
        col(Stop.consignment_id) == consignment_id, col(Stop.manifest_driver_id).is_not(None)
    )
    return list(await tx.scalars(query.order_by(col(Stop.id))))


async def add_parcels(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Store new parcels."""
    if rows:
        await tx.execute(insert(Parcel), rows)


async def parcels(tx: Tx, consignment_id: UUID) -> list[dict[str, Any]]:
    """Return a consignment's parcels as rows, by barcode."""
    query = select(Parcel.__table__).where(col(Parcel.consignment_id) == consignment_id)
    rows = await tx.execute(query.order_by(col(Parcel.barcode)))
    return [row._asdict() for row in rows]


async def drop_parcels(tx: Tx, ids: Collection[UUID]) -> None:
    """Remove parcels that are no longer part of a consignment not yet out."""
    await tx.execute(delete(Parcel).where(col(Parcel.id).in_(ids)))


async def places(tx: Tx, keys: Collection[str]) -> list[tuple[str, str, str, str, float, float]]:
    """Return (key, country, postcode, city, lat, lon) of every known place under these keys."""
    columns = (
        col(GazetteerPlace.key),
        col(GazetteerPlace.country),
        col(GazetteerPlace.postcode),
        col(GazetteerPlace.city),
        col(GazetteerPlace.lat),
        col(GazetteerPlace.lon),
    )
    query = select(*columns).where(col(GazetteerPlace.key).in_(keys))
    found = (await tx.execute(query)).all()
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in found]


async def add_places(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Store known places that are not stored yet."""
    if rows:
        await tx.execute(insert_or(GazetteerPlace).on_conflict_do_nothing(), rows)


async def count_places(tx: Tx) -> int:
    """Return how many places are known."""
    return await tx.scalar(select(func.count()).select_from(GazetteerPlace)) or 0


async def segment_codes(tx: Tx) -> frozenset[str]:
    """Return every segment there is."""
    return frozenset(await tx.scalars(select(col(Segment.code))))


async def assign_rules(tx: Tx) -> list[object] | None:
    """Return the rules that assign a segment; None where none were ever stored."""
    found = await tx.scalar(select(col(SegmentRules.rules)).where(col(SegmentRules.name) == RULES))
    return cast("list[object] | None", found)
