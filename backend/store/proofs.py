"""Queries behind a verdict: what was told and shown at a stop, and what is still due."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import select
from sqlmodel import col

from backend.domain.people import ActorType
from backend.domain.stop import ProofState, StopState
from backend.store.database import Tx, show_events, show_rows
from backend.store.direct import adopt, as_json, fetch, fetch_one
from backend.tables.plans import Route
from backend.tables.stops import Stop, StopEvent


@dataclass(frozen=True, slots=True)
class Told:
    """The event that closed a stop, as the timeline keeps it; ``driver_id`` None for the office."""

    kind: str
    body: Mapping[str, Any]
    fix: Mapping[str, Any] | None
    driver_id: UUID | None


@dataclass(frozen=True, slots=True)
class Named:
    """A file that an event named, and what arrived of it.

    ``arrived_as`` and ``facts`` are those of the verified bytes, None while there are none;
    ``upload`` is the newest state of an upload of it.
    """

    sha256: str
    kind: str
    driver_id: UUID
    arrived_as: str | None
    facts: Mapping[str, Any] | None
    upload: str | None


class Reference(Struct, frozen=True):
    """A file as an event names it."""

    sha256: str
    kind: str
    size: int
    media_type: str


async def lock_stop(tx: Tx, stop_id: UUID) -> Stop | None:
    """Hold a stop and return it as it is now."""
    await show_rows(tx, Stop, lambda stop: stop.id == stop_id)
    row = await fetch_one(tx, "SELECT * FROM stop WHERE id = $1 FOR UPDATE", stop_id)
    return adopt(tx, Stop, row) if row else None


async def closing_event(tx: Tx, stop: Stop) -> Told | None:
    """Return the event that closed a stop, None for one that no event closed."""
    if stop.closed_by is None:
        return None
    query = select(
        col(StopEvent.kind),
        col(StopEvent.body),
        col(StopEvent.fix),
        col(StopEvent.source),
        col(StopEvent.actor_id),
    ).where(col(StopEvent.id) == stop.closed_by)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    kind, body, fix, source, actor_id = row
    return Told(kind, body, fix, UUID(actor_id) if source == ActorType.DRIVER else None)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown and told at a stop so far, and where that is, if anybody knows.

    Only bytes that the naming driver himself brought in count as arrived, from whichever of his
    devices. ``scans`` counts the different barcodes scanned for delivery.
    """

    named: tuple[Named, ...]
    notes: list[str]
    scans: int
    lat: float | None
    lon: float | None


_SHOWN = """
SELECT (
  SELECT json_agg(json_build_object('sha256', r.sha256, 'kind', r.kind, 'driver_id', r.driver_id,
    'arrived_as', e.kind, 'facts', e.facts, 'upload', (
      SELECT u.state FROM evidence_upload u JOIN device d ON d.id = u.device_id
      WHERE u.sha256 = r.sha256 AND d.driver_id = r.driver_id ORDER BY u.updated_at DESC LIMIT 1))
    ORDER BY r.sha256, r.kind)::text
  FROM evidence_ref r
  LEFT JOIN evidence e ON e.sha256 = r.sha256 AND e.driver_id = r.driver_id
  WHERE r.stop_id = $1 AND r.counts
), ARRAY(
  SELECT body ->> 'text' FROM stop_event
  WHERE stop_id = $1 AND kind = 'stop.noted' AND body ->> 'text' <> '' ORDER BY version
), (
  SELECT count(DISTINCT body ->> 'barcode') FROM stop_event
  WHERE stop_id = $1 AND kind = 'parcel.scanned' AND body ->> 'purpose' = 'deliver'
), c.lat, c.lon
FROM consignment c WHERE c.id = $2
"""
_NAMED = msgspec.json.Decoder(tuple[Named, ...])


async def shown(tx: Tx, stop: Stop) -> Shown:
    """Return what was shown and told at a stop so far."""
    await show_events(tx, stop.id, "stop.noted", "parcel.scanned")
    row = await fetch_one(tx, _SHOWN, stop.id, stop.consignment_id)
    if row is None:
        raise LookupError(f"stop {stop.id} brings nothing")
    return Shown(_NAMED.decode(row[0] or "[]"), *row[1:])


async def refer(
    tx: Tx,
    stop_id: UUID,
    driver_id: UUID,
    mutation_id: UUID,
    named: Collection[Reference],
    *,
    counts: bool,
) -> None:
    """Keep which files an event names, each once; naming one again is harmless.

    What did not count when it was named first counts from now on if it ``counts`` now, never the
    other way round. The caller holds the device's journal, so no bytes of the driver's are entered
    meanwhile.
    """
    if named:
        about = (stop_id, driver_id, mutation_id)
        await fetch(tx, _REFER, *about, as_json(list(named)), counts)


_REFER = """
INSERT INTO evidence_ref
  (mutation_id, sha256, stop_id, driver_id, kind, size, media_type, counts, wanted)
SELECT $3::uuid, sha256, $1::uuid, $2::uuid, kind, size, media_type, $5::bool, $5 AND NOT EXISTS (
  SELECT FROM evidence e
  WHERE e.driver_id = $2 AND e.sha256 = named.sha256 AND e.lost_at IS NULL)
FROM json_to_recordset($4::text::json)
  AS named(sha256 text, kind text, size int, media_type text)
ON CONFLICT (mutation_id, sha256) DO UPDATE SET counts = true, wanted = excluded.wanted
WHERE excluded.counts AND NOT evidence_ref.counts
  AND evidence_ref.stop_id = excluded.stop_id AND evidence_ref.driver_id = excluded.driver_id
"""


async def discount(tx: Tx, driver_id: UUID, mutation_id: UUID) -> None:
    """Let the files that an event names prove nothing, and ask for them no more."""
    await fetch(tx, _DISCOUNT, driver_id, mutation_id)


_DISCOUNT = """
UPDATE evidence_ref SET counts = false, wanted = false WHERE driver_id = $1 AND mutation_id = $2
"""


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
