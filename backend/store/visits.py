"""Queries behind judging what happened at stops and on routes: held rows and their history."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy import func, select
from sqlmodel import col

from backend.domain.people import ActorType
from backend.store.database import Tx, flush, show_rows
from backend.store.direct import adopt, fetch
from backend.tables.audit import AuditEntry
from backend.tables.plans import Route
from backend.tables.stops import Stop


class Told(Struct, frozen=True):
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
    bounded: bool
    known: datetime
    to: str | None
    barcode: str | None

    @property
    def decisive(self) -> datetime:
        """When it happened, if our own clocks bound that; else when we heard of it."""
        return self.happened if self.bounded else self.known


_LOCK_STOPS = """
SELECT stop.* FROM stop JOIN stop_assignment a ON a.stop_id = stop.id
WHERE stop.id = ANY((SELECT $1::uuid[])::uuid[]) AND a.driver_id = (SELECT $2::uuid)
ORDER BY stop.id FOR UPDATE OF stop
"""


async def lock_stops(tx: Tx, driver_id: UUID, ids: Collection[UUID]) -> dict[UUID, Stop]:
    """Hold, in id order, those of the stops that ever were this driver's; read them afresh."""
    if not ids:
        return {}
    await flush(tx)
    rows = await fetch(tx, _LOCK_STOPS, ids, driver_id)
    return {row["id"]: adopt(tx, Stop, row) for row in rows}


_LEFT = """
SELECT stop_id FROM stop_assignment
WHERE stop_id = ANY($1) AND driver_id = $2 AND until IS NULL
"""


async def left_with(tx: Tx, driver_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the stops that nobody was given after this driver."""
    return {row[0] for row in await fetch(tx, _LEFT, ids, driver_id)} if ids else set()


_LOCK_ROUTES = """
SELECT route.* FROM route JOIN route_assignment a ON a.route_id = route.id
WHERE route.id = ANY((SELECT $1::uuid[])::uuid[]) AND a.driver_id = (SELECT $2::uuid)
ORDER BY route.id FOR UPDATE OF route
"""


async def lock_routes(tx: Tx, driver_id: UUID, ids: Collection[UUID]) -> dict[UUID, Route]:
    """Hold, in id order, those of the routes that ever were this driver's; read them afresh."""
    if not ids:
        return {}
    await flush(tx)
    rows = await fetch(tx, _LOCK_ROUTES, ids, driver_id)
    return {row["id"]: adopt(tx, Route, row) for row in rows}


_HOLD_ROUTES = "SELECT FROM route WHERE id = ANY($1) ORDER BY id FOR UPDATE"


async def hold_routes(tx: Tx, ids: Collection[UUID]) -> None:
    """Hold routes in id order, whoever's they are; they are read when they are changed."""
    await fetch(tx, _HOLD_ROUTES, ids)


_TOLD = """
SELECT id, stop_id, version, kind, source, actor_id, device_id, mutation_id, happened,
       uncertainty_ms, bounded, known, body ->> 'to', body ->> 'barcode'
FROM stop_event
WHERE id = ANY($1) OR (stop_id = ANY($2) AND version > $3 AND device_id IS DISTINCT FROM $4
                       AND kind NOT LIKE 'proof.%')
ORDER BY version
"""


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
    seen = min((since[id_] for id_ in newer), default=0)
    found: dict[UUID, list[Told]] = {}
    for row in await fetch(tx, _TOLD, closed, newer, seen, device_id):
        found.setdefault(row["stop_id"], []).append(Told(*row))
    return found


async def route_office_version(tx: Tx, route_id: UUID) -> int:
    """Return a route's version at the latest change that no driver made."""
    query = select(func.max(col(AuditEntry.n))).where(
        col(AuditEntry.entity) == Route.__entity__,
        col(AuditEntry.entity_id) == str(route_id),
        col(AuditEntry.actor_type) != ActorType.DRIVER.value,
    )
    return (await tx.scalar(query)) or 0


class Word(Struct, frozen=True):
    """A word on how a visit ended: a driver's, or one by which the office set the stop.

    ``to`` is the state an override asked for, ``corrects`` the mutation that a driver mends, and
    ``ending`` and ``body`` say how the visit ended by this word.
    """

    id: UUID
    kind: str
    source: str
    actor_id: str
    mutation_id: UUID | None
    outcome: str
    happened: datetime
    bounded: bool
    known: datetime
    fix: dict[str, Any] | None
    to: str | None
    corrects: UUID | None
    ending: str
    body: dict[str, Any]


_WORDS = """
SELECT id, kind, source, actor_id, mutation_id, outcome, happened, bounded, known, fix,
       body ->> 'to', (body ->> 'corrects')::uuid,
       coalesce(body #>> '{becomes,kind}', kind), coalesce(body #> '{becomes,body}', body)
FROM stop_event
WHERE stop_id = $1 AND (source = 'driver'
    AND kind IN ('stop.delivered', 'stop.failed', 'stop.corrected') OR kind = 'stop.overridden')
ORDER BY version
"""


async def words(tx: Tx, stop_id: UUID) -> list[Word]:
    """Return what was told of how a visit ended, oldest first."""
    await flush(tx)
    return [Word(*row) for row in await fetch(tx, _WORDS, stop_id)]


_HOLDER = """
SELECT a.driver_id FROM stop_assignment a JOIN route ON route.manifest_driver_id = a.driver_id
WHERE a.stop_id = $1 AND a.driver_id <> $2 AND a.until IS NULL
  AND route.id = $3 AND route.state IN ('released', 'started')
"""


async def other_holder(tx: Tx, stop: Stop, driver_id: UUID) -> UUID | None:
    """Return the driver to whom a stop was given instead of this one, if he is out with it."""
    rows = await fetch(tx, _HOLDER, stop.id, driver_id, stop.route_id)
    return rows[0][0] if rows else None


async def route_stops(tx: Tx, route_id: UUID) -> list[Stop]:
    """Return a route's stops in order, as this transaction has them; none are locked here."""
    query = select(Stop).where(col(Stop.route_id) == route_id)
    return list(await tx.scalars(query.order_by(col(Stop.sequence), col(Stop.id))))


async def last_place(tx: Tx, route_id: UUID, *, besides: UUID) -> int:
    """Return the greatest place among a route's other stops, 0 if it has none."""
    await show_rows(tx, Stop, lambda row: row.route_id == route_id and row.id != besides)
    rows = await fetch(tx, _LAST_PLACE, route_id, besides)
    return cast("int", rows[0][0])


_LAST_PLACE = "SELECT coalesce(max(sequence), 0) FROM stop WHERE route_id = $1 AND id <> $2"
