"""Queries of the control room's use cases. Locks: plan, stops by id, routes by id, consignments."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy import inspect as inspect_row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.domain.route import RouteState
from backend.domain.stop import StopState
from backend.store.database import show_rows
from backend.store.direct import adopt, fetch
from backend.tables.consignments import Consignment
from backend.tables.fleet import Depot, Shift
from backend.tables.plans import Plan, Route
from backend.tables.stops import Override, RouteAssignment, Stop, StopAssignment


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a stop belongs."""

    stop_id: UUID
    route_id: UUID
    depot_id: UUID
    driver_id: UUID


async def ground_of(tx: AsyncSession, stop_id: UUID) -> Ground | None:
    """Return a stop's route and depot."""
    query = select(col(Stop.id), col(Route.id), col(Route.depot_id), col(Route.driver_id))
    joined = query.join(Route, col(Route.id) == col(Stop.route_id)).where(col(Stop.id) == stop_id)
    row = (await tx.execute(joined)).one_or_none()
    return None if row is None else Ground(row[0], row[1], row[2], row[3])


async def lock_plan(tx: AsyncSession, plan_id: UUID) -> Plan | None:
    """Find a plan and hold it."""
    return await tx.get(Plan, plan_id, with_for_update=True)


async def route_ids(tx: AsyncSession, plan_id: UUID) -> Sequence[UUID]:
    """Return the routes of a plan, not locked."""
    query = select(col(Route.id)).where(col(Route.plan_id) == plan_id).order_by(col(Route.id))
    return (await tx.scalars(query)).all()


async def lock_stop(tx: AsyncSession, stop_id: UUID) -> Stop | None:
    """Find a stop and hold it."""
    return await tx.get(Stop, stop_id, with_for_update=True, populate_existing=True)


async def lock_stops(tx: AsyncSession, routes: Collection[UUID]) -> Sequence[Stop]:
    """Hold the stops of routes, by id."""
    query = select(Stop).where(col(Stop.route_id).in_(routes)).order_by(col(Stop.id))
    return (await tx.scalars(query.with_for_update())).all()


async def lock_routes(tx: AsyncSession, ids: Collection[UUID]) -> Sequence[Route]:
    """Hold routes, by id."""
    query = select(Route).where(col(Route.id).in_(ids)).order_by(col(Route.id))
    return (await tx.scalars(query.with_for_update())).all()


@dataclass(slots=True)
class _Foreseen:
    """Consignments held for what is to come, and the visits of them that were open then."""

    held: dict[UUID, Consignment] = field(default_factory=dict)
    open_stops: dict[UUID, set[UUID]] = field(default_factory=dict)


async def foresee_endings(tx: AsyncSession, consignment_ids: Collection[UUID]) -> None:
    """Hold the consignments of many visits that are to end, and see which of them have others."""
    foreseen = _foreseen(tx)
    await show_rows(tx, Consignment, lambda row: row.id in consignment_ids)
    for row in await fetch(tx, _LOCK_CONSIGNMENTS, consignment_ids):
        foreseen.held[row["id"]] = adopt(tx, Consignment, row)
    found = {row[0]: set(row[1]) for row in await fetch(tx, _OPEN_STOPS, consignment_ids)}
    foreseen.open_stops.update({id_: found.get(id_, set()) for id_ in consignment_ids})


_LOCK_CONSIGNMENTS = "SELECT * FROM consignment WHERE id = ANY($1) ORDER BY id FOR UPDATE"
_OPEN_STOPS = """
SELECT consignment_id, array_agg(id) FROM stop
WHERE consignment_id = ANY($1) AND state IN ('planned', 'released', 'arrived') GROUP BY 1
"""


def _foreseen(tx: AsyncSession) -> _Foreseen:
    return cast("_Foreseen", tx.info.setdefault("foreseen", _Foreseen()))


async def lock_consignment(tx: AsyncSession, consignment_id: UUID) -> Consignment:
    """Hold a consignment."""
    held = _foreseen(tx).held.get(consignment_id)
    if held is not None and not inspect_row(held).expired_attributes:
        return held
    await show_rows(tx, Consignment, lambda row: row.id == consignment_id)
    rows = await fetch(tx, _LOCK_CONSIGNMENTS, [consignment_id])
    return adopt(tx, Consignment, rows[0])


async def lock_consignments(tx: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Consignment]:
    """Hold consignments, by id."""
    query = select(Consignment).where(col(Consignment.id).in_(ids)).order_by(col(Consignment.id))
    return {row.id: row for row in await tx.scalars(query.with_for_update())}


_OPEN_STOP = """
SELECT EXISTS (SELECT FROM stop WHERE consignment_id = $1 AND id <> $2
               AND state IN ('planned', 'released', 'arrived'))
"""


async def has_open_stop(tx: AsyncSession, consignment_id: UUID, *, besides: UUID) -> bool:
    """Tell whether another visit of a consignment is still to be made."""
    seen = _foreseen(tx).open_stops.get(consignment_id)
    if seen is not None and not seen - {besides}:
        return False
    await show_rows(tx, Stop, lambda s: s.consignment_id == consignment_id and s.id != besides)
    return bool((await fetch(tx, _OPEN_STOP, consignment_id, besides))[0][0])


async def date_of(tx: AsyncSession, route_id: UUID) -> dt.date:
    """Return the day of a route."""
    query = select(col(Route.date)).where(col(Route.id) == route_id)
    return (await tx.execute(query)).scalar_one()


async def shifts(tx: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Shift]:
    """Return shifts by id."""
    query = select(Shift).where(col(Shift.id).in_(ids))
    return {row.id: row for row in await tx.scalars(query)}


async def assign(
    tx: AsyncSession, driver_id: UUID, stops: Collection[UUID], at: dt.datetime
) -> None:
    """Write down that a driver holds these stops, for the first time or again."""
    if stops:
        rows = [{"stop_id": stop, "driver_id": driver_id, "since": at} for stop in stops]
        again = insert(StopAssignment).values(rows)
        key = ["stop_id", "driver_id"]
        await tx.execute(again.on_conflict_do_update(index_elements=key, set_={"until": None}))


async def assign_route(tx: AsyncSession, driver_id: UUID, route_id: UUID) -> None:
    """Write down that a driver holds a route, once."""
    row = insert(RouteAssignment).values(route_id=route_id, driver_id=driver_id)
    await tx.execute(row.on_conflict_do_nothing())


async def over(tx: AsyncSession, now: dt.datetime, grace: dt.timedelta) -> Sequence[UUID]:
    """Return routes still on a manifest though their day, at their depot, is over."""
    local_day = func.date(func.timezone(col(Depot.timezone), now))
    query = (
        select(col(Route.id))
        .join(Depot, col(Depot.id) == col(Route.depot_id))
        .join(Shift, col(Shift.id) == col(Route.shift_id))
        .where(
            col(Route.manifest_driver_id).is_not(None),
            col(Route.state) != RouteState.SUPERSEDED,
            col(Route.date) < local_day,
            col(Shift.ends_at) < now - grace,
        )
        .order_by(col(Route.id))
    )
    return (await tx.scalars(query)).all()


async def claim_key(tx: AsyncSession, person_id: UUID, key: str) -> Override | None:
    """Find the override a person asked for under this key, and hold the key until we commit."""
    lock = func.hashtextextended(f"override:{person_id}:{key}", 0)
    await tx.execute(select(func.pg_advisory_xact_lock(lock)))
    query = select(Override).where(
        col(Override.requested_by) == person_id, col(Override.idempotency_key) == key
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def override_stop_id(tx: AsyncSession, override_id: UUID) -> UUID | None:
    """Return the stop an override is about."""
    query = select(col(Override.stop_id)).where(col(Override.id) == override_id)
    return await tx.scalar(query)


async def lock_override(tx: AsyncSession, override_id: UUID) -> Override:
    """Hold an override."""
    query = select(Override).where(col(Override.id) == override_id).with_for_update()
    return (await tx.execute(query)).scalar_one()


async def open_visits(tx: AsyncSession, route_id: UUID) -> Sequence[Row[Stop, Consignment]]:
    """Return a route's visits that are still to come, with whom they are to; nothing is locked."""
    query = (
        select(Stop, Consignment)
        .join(Consignment, col(Consignment.id) == col(Stop.consignment_id))
        .where(
            col(Stop.route_id) == route_id,
            col(Stop.state).in_([StopState.RELEASED, StopState.ARRIVED]),
        )
        .order_by(col(Stop.sequence))
    )
    return (await tx.execute(query)).all()
