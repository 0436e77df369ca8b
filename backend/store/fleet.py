"""Queries about depots, vehicles, drivers and shifts. Lists come in the order of creation."""

import datetime as dt
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from backend.store.database import Tx
from backend.tables.fleet import Depot, Driver, Shift, Vehicle

Scope = Collection[UUID] | None  # the depots to look at; None for all


async def depot_by_code(tx: Tx, code: str) -> Depot | None:
    """Return a depot, or None."""
    return await tx.scalar(select(Depot).where(col(Depot.code) == code))


async def depot(tx: Tx, depot_id: UUID) -> Depot | None:
    """Return a depot, or None."""
    return await tx.get(Depot, depot_id)


async def depot_codes(tx: Tx) -> dict[UUID, str]:
    """Return every depot's code."""
    rows = await tx.execute(select(col(Depot.id), col(Depot.code)))
    return {row[0]: row[1] for row in rows}


async def vehicle(tx: Tx, vehicle_id: UUID) -> Vehicle | None:
    """Return a vehicle, or None."""
    return await tx.get(Vehicle, vehicle_id)


async def driver(tx: Tx, driver_id: UUID) -> Driver | None:
    """Return a driver, or None."""
    return await tx.get(Driver, driver_id)


async def one_at_a_time(tx: Tx) -> None:
    """Wait for other additions to the fleet: two of one code must not collide."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('doorstep fleet'))"))


async def lock_driver(tx: Tx, driver_id: UUID) -> None:
    """Lock a driver, so that two shifts of his are not made at once."""
    await tx.execute(select(col(Driver.id)).where(col(Driver.id) == driver_id).with_for_update())


async def vehicle_exists(tx: Tx, depot_id: UUID, code: str) -> bool:
    """Whether the depot has a vehicle of this code."""
    query = select(col(Vehicle.id))
    query = query.where(col(Vehicle.depot_id) == depot_id, col(Vehicle.code) == code)
    return await tx.scalar(query) is not None


async def shift_between(tx: Tx, driver_id: UUID, start: dt.datetime, end: dt.datetime) -> bool:
    """Whether the driver works at some moment between the two."""
    query = select(col(Shift.id)).where(
        col(Shift.driver_id) == driver_id, col(Shift.starts_at) < end, col(Shift.ends_at) > start
    )
    return await tx.scalar(query.limit(1)) is not None


async def depots(tx: Tx, scope: Scope, after: UUID | None, limit: int) -> Sequence[Depot]:
    """Return a page of depots."""
    query = select(Depot).order_by(col(Depot.id)).limit(limit)
    if scope is not None:
        query = query.where(col(Depot.id).in_(scope))
    if after is not None:
        query = query.where(col(Depot.id) > after)
    return (await tx.scalars(query)).all()


async def vehicles(tx: Tx, scope: Scope, after: UUID | None, limit: int) -> Sequence[Vehicle]:
    """Return a page of vehicles."""
    query = select(Vehicle).order_by(col(Vehicle.id)).limit(limit)
    if scope is not None:
        query = query.where(col(Vehicle.depot_id).in_(scope))
    if after is not None:
        query = query.where(col(Vehicle.id) > after)
    return (await tx.scalars(query)).all()


async def drivers(tx: Tx, scope: Scope, after: UUID | None, limit: int) -> Sequence[Driver]:
    """Return a page of drivers."""
    query = select(Driver).order_by(col(Driver.id)).limit(limit)
    if scope is not None:
        query = query.where(col(Driver.depot_id).in_(scope))
    if after is not None:
        query = query.where(col(Driver.id) > after)
    return (await tx.scalars(query)).all()


async def shifts(
    tx: Tx, scope: Scope, date: dt.date | None, after: UUID | None, limit: int
) -> Sequence[Shift]:
    """Return a page of shifts, of one day where one is given."""
    query = select(Shift).order_by(col(Shift.id)).limit(limit)
    if scope is not None:
        query = query.join(Driver, col(Driver.id) == col(Shift.driver_id))
        query = query.where(col(Driver.depot_id).in_(scope))
    if date is not None:
        query = query.where(col(Shift.date) == date)
    if after is not None:
        query = query.where(col(Shift.id) > after)
    return (await tx.scalars(query)).all()


async def depots_of_drivers(tx: Tx, ids: Collection[UUID]) -> dict[UUID, Depot]:
    """Return the depot of each driver."""
    query = select(col(Driver.id), Depot).join(Depot, col(Depot.id) == col(Driver.depot_id))
    rows = await tx.execute(query.where(col(Driver.id).in_(ids)))
    return {row[0]: row[1] for row in rows}
