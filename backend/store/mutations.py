"""Queries about what devices sent: numbers, ids, answers, closed ranges."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from backend.store import later
from backend.store.database import Tx, moment
from backend.store.direct import as_json, fetch
from backend.tables.devices import LostRange
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.stops import RouteAssignment, StopAssignment


class Answered(Struct, frozen=True):
    """A mutation that was taken in, and the answer as wire JSON."""

    device_id: UUID
    driver_id: UUID
    n: int | None
    numbered: bool
    id: UUID | None
    hash: bytes
    receipt: dict[str, Any]


# Each part has its index; joined by OR they would have none.
_ANSWERED = """
SELECT seq, device_id, driver_id, n, numbered, id, hash, receipt FROM mutation
WHERE device_id = $1 AND n = ANY((SELECT $2::bigint[])::bigint[]) AND numbered
UNION ALL
SELECT seq, device_id, driver_id, n, numbered, id, hash, receipt FROM mutation
WHERE device_id = $1 AND hash = ANY((SELECT $3::bytea[])::bytea[]) AND NOT numbered
UNION ALL
SELECT seq, device_id, driver_id, n, numbered, id, hash, receipt FROM mutation
WHERE id = ANY((SELECT $4::uuid[])::uuid[])
"""


async def answered(
    tx: Tx,
    device_id: UUID,
    numbers: Collection[int],
    hashes: Collection[bytes],
    ids: Collection[UUID],
) -> list[Answered]:
    """Find, in the order of its arrival, what has any of these numbers, contents or ids."""
    rows = await fetch(tx, _ANSWERED, device_id, numbers, hashes, ids)
    found = {row[0]: Answered(*row[1:]) for row in rows}
    return [found[seq] for seq in sorted(found)]


async def closed_ranges(tx: Tx, device_id: UUID) -> list[tuple[int, int]]:
    """Return the ranges a device declared lost."""
    rows = await fetch(tx, "SELECT from_n, to_n FROM lost_range WHERE device_id = $1", device_id)
    return [(row[0], row[1]) for row in rows]


class Kept(Struct, frozen=True):
    """A mutation as it arrived, and what became of it."""

    n: int | None
    numbered: bool
    id: UUID | None
    hash: bytes
    raw: bytes
    kind: str | None
    stop_id: UUID | None
    route_id: UUID | None
    outcome: str
    code: str | None
    receipt: Struct
    dated: Mapping[str, Any] | None


_KEEP = """
INSERT INTO mutation
  (device_id, driver_id, received_at, n, numbered, id, hash, raw, kind, stop_id, route_id, outcome,
   code, receipt, dated)
SELECT $1::uuid, $2::uuid, $3::timestamptz, n, numbered, id, decode(hash, 'base64'),
       decode(raw, 'base64'), kind, stop_id, route_id, outcome, code, receipt, dated
FROM ROWS FROM (json_to_recordset($4::text::json) AS (
    n bigint, numbered boolean, id uuid, hash text, raw text, kind text, stop_id uuid,
    route_id uuid, outcome text, code text, receipt jsonb, dated jsonb)
  ) WITH ORDINALITY AS x(n, numbered, id, hash, raw, kind, stop_id, route_id, outcome, code,
                         receipt, dated, place)
ORDER BY place
"""


def keep(tx: Tx, device_id: UUID, driver_id: UUID, kept: Sequence[Kept]) -> None:
    """Keep what a chunk brought, in its order."""
    if kept:
        later.put(tx, _KEEP, device_id, driver_id, moment(tx), as_json(kept))


def close_range(tx: Tx, device_id: UUID, from_n: int, to_n: int) -> None:
    """Keep a range as lost."""
    tx.add(LostRange(device_id=device_id, from_n=from_n, to_n=to_n))


async def ripe(tx: Tx, *, limit: int) -> list[UUID]:
    """Return devices with a held mutation whose stop or route has become its driver's."""
    of_route = col(Mutation.kind).startswith("route.")
    stop_is_mine = (
        select(col(StopAssignment.stop_id))
        .where(
            col(StopAssignment.stop_id) == col(Mutation.stop_id),
            col(StopAssignment.driver_id) == col(Mutation.driver_id),
        )
        .exists()
    )
    route_is_mine = (
        select(col(RouteAssignment.route_id))
        .where(
            col(RouteAssignment.route_id) == col(Mutation.route_id),
            col(RouteAssignment.driver_id) == col(Mutation.driver_id),
        )
        .exists()
    )
    mine = or_(of_route & route_is_mine, ~of_route & stop_is_mine)
    held = (col(Mutation.outcome) == "held") & (col(Mutation.code) == "unknown_stop")
    query = select(col(Mutation.device_id)).where(held, mine).distinct().limit(limit)
    return list(await tx.scalars(query))


@dataclass(frozen=True, slots=True)
class Unheard:
    """A mutation of a kind that was not known when it came."""

    seq: int
    device_id: UUID
    raw: bytes


async def unheard(tx: Tx, after: int, *, limit: int) -> list[Unheard]:
    """Return mutations of unknown kinds in the order of their arrival, a page at a time."""
    query = (
        select(col(Mutation.seq), col(Mutation.device_id), col(Mutation.raw))
        .where(
            col(Mutation.outcome) == "held",
            col(Mutation.code) == "unknown_kind",
            col(Mutation.seq) > after,
        )
        .order_by(col(Mutation.seq))
    )
    rows = await tx.execute(query.limit(limit))
    return [Unheard(row.seq, row.device_id, row.raw) for row in rows]


@dataclass(frozen=True, slots=True)
class LongHeld:
    """A held mutation that nobody was asked about yet."""

    device_id: UUID
    driver_id: UUID
    id: UUID | None
    kind: str | None
    code: str | None


async def long_held(tx: Tx, before: datetime, *, limit: int) -> list[LongHeld]:
    """Return what came before a moment, is still held, and that no inbox item names yet."""
    subject = func.concat("held:", col(Mutation.driver_id), ":", col(Mutation.id))
    asked = select(col(InboxItem.id)).where(col(InboxItem.subject) == subject).exists()
    query = (
        select(
            col(Mutation.device_id),
            col(Mutation.driver_id),
            col(Mutation.id),
            col(Mutation.kind),
            col(Mutation.code),
        )
        .where(col(Mutation.outcome) == "held", col(Mutation.received_at) <= before, ~asked)
        .order_by(col(Mutation.seq))
    )
    return [LongHeld(*row) for row in await tx.execute(query.limit(limit))]


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What became of a mutation under the device that brought it in first."""

    outcome: str
    code: str | None
    receipt: dict[str, Any]


async def first_answers(tx: Tx, device_id: UUID) -> dict[int, FirstAnswer]:
    """Return, by ``seq``, the first answers to those held ones that an older device sent before."""
    first = aliased(Mutation)
    same = (
        (col(first.id) == col(Mutation.id))
        & (col(first.driver_id) == col(Mutation.driver_id))
        & (col(first.device_id) != col(Mutation.device_id))
        & (col(first.seq) < col(Mutation.seq))
        & col(first.numbered)
    )
    query = (
        select(col(Mutation.seq), col(first.outcome), col(first.code), col(first.receipt))
        .join(first, same)
        .where(col(Mutation.device_id) == device_id, col(Mutation.outcome) == "held")
        .order_by(col(first.seq).desc())
    )
    return {seq: FirstAnswer(*rest) for seq, *rest in await tx.execute(query)}


async def of_revoked(tx: Tx, device_id: UUID, mutation_id: UUID) -> Mutation | None:
    """Find an act that was quarantined because its device was revoked; the journal is locked."""
    query = select(Mutation).where(
        col(Mutation.device_id) == device_id,
        col(Mutation.id) == mutation_id,
        col(Mutation.outcome) == "quarantined",
        col(Mutation.code) == "device_revoked",
    )
    return await tx.scalar(query.order_by(col(Mutation.numbered).desc(), col(Mutation.seq)))


async def held(tx: Tx, device_id: UUID) -> list[Mutation]:
    """Return a device's held mutations in the order of their numbers; its journal is locked."""
    query = (
        select(Mutation)
        .where(col(Mutation.device_id) == device_id, col(Mutation.outcome) == "held")
        .order_by(col(Mutation.n))
    )
    return list(await tx.scalars(query))
