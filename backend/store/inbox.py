"""Queries about what needs a person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from backend.tables.consignments import Consignment
from backend.tables.devices import Device
from backend.tables.fleet import Depot, Driver
from backend.tables.inbox import InboxItem
from backend.tables.plans import Route
from backend.tables.stops import Stop


@dataclass(frozen=True, slots=True)
class Item:
    """An inbox item as people see it.

    ``depot`` is its code, and ``timezone`` UTC where the item belongs to none. ``driver`` is the
    name of whose phone told it, else of whose route the stop is on now.
    """

    id: UUID
    kind: str
    state: str
    at: datetime
    depot_id: UUID | None
    stop_id: UUID | None
    device_id: UUID | None
    mutation_id: UUID | None
    detail: str
    actions: list[str]
    resolved_at: datetime | None
    action: str | None
    depot: str | None
    timezone: str
    reference: str | None
    driver: str | None


async def claim_subject(tx: AsyncSession, subject: str) -> bool:
    """Say whether no item of this subject exists; nobody else may open one until we commit."""
    key = func.hashtextextended(subject, 0)
    await tx.execute(select(func.pg_advisory_xact_lock(key)))
    return (
        await tx.scalar(select(col(InboxItem.id)).where(col(InboxItem.subject) == subject)) is None
    )


async def depot_concerned(
    tx: AsyncSession, stop_id: UUID | None, device_id: UUID | None
) -> UUID | None:
    """Return whose inbox it belongs in: the stop's depot, else that of the device's driver."""
    found = None
    if stop_id is not None:
        query = select(col(Route.depot_id)).join(Stop, col(Stop.route_id) == col(Route.id))
        found = await tx.scalar(query.where(col(Stop.id) == stop_id))
    if found is None and device_id is not None:
        by_device = select(col(Driver.depot_id)).join(
            Device, col(Device.driver_id) == col(Driver.id)
        )
        found = await tx.scalar(by_device.where(col(Device.id) == device_id))
    return found


async def lock_item(tx: AsyncSession, item_id: UUID) -> InboxItem | None:
    """Find an item and hold it."""
    query = select(InboxItem).where(col(InboxItem.id) == item_id).with_for_update()
    return (await tx.execute(query)).scalar_one_or_none()


async def lock_subject(tx: AsyncSession, subject: str) -> InboxItem | None:
    """Find the item of a subject and hold it."""
    query = select(InboxItem).where(col(InboxItem.subject) == subject).with_for_update()
    return (await tx.execute(query)).scalar_one_or_none()


async def item(tx: AsyncSession, item_id: UUID) -> Item | None:
    """Find an item."""
    row = (await tx.execute(_items().where(col(InboxItem.id) == item_id))).one_or_none()
    return None if row is None else Item(*row)


async def items(
    tx: AsyncSession,
    *,
    state: str | None,
    depots: Collection[UUID] | None,
    after: UUID | None,
    limit: int,
) -> list[Item]:
    """Return items oldest first; ``depots`` None means all."""
    query = _items().order_by(col(InboxItem.id)).limit(limit)
    if state is not None:
        query = query.where(col(InboxItem.state) == state)
    if depots is not None:
        query = query.where(col(InboxItem.depot_id).in_(depots))
    if after is not None:
        query = query.where(col(InboxItem.id) > after)
    return [Item(*row) for row in await tx.execute(query)]


def _items() -> Select[*tuple[Any, ...]]:
    teller, planned = aliased(Driver), aliased(Driver)
    shown: tuple[Any, ...] = (
        col(InboxItem.id),
        col(InboxItem.kind),
        col(InboxItem.state),
        col(InboxItem.at),
        col(InboxItem.depot_id),
        col(InboxItem.stop_id),
        col(InboxItem.device_id),
        col(InboxItem.mutation_id),
        col(InboxItem.detail),
        col(InboxItem.actions),
        col(InboxItem.resolved_at),
        col(InboxItem.action),
        col(Depot.code),
        func.coalesce(col(Depot.timezone), "UTC"),
        col(Consignment.reference),
        func.coalesce(col(teller.name), col(planned.name)),
    )
    return (
        select(*shown)
        .outerjoin(Depot, col(Depot.id) == col(InboxItem.depot_id))
        .outerjoin(Stop, col(Stop.id) == col(InboxItem.stop_id))
        .outerjoin(Consignment, col(Consignment.id) == col(Stop.consignment_id))
        .outerjoin(Route, col(Route.id) == col(Stop.route_id))
        .outerjoin(planned, col(planned.id) == col(Route.driver_id))
        .outerjoin(Device, col(Device.id) == col(InboxItem.device_id))
        .outerjoin(teller, col(teller.id) == col(Device.driver_id))
    )


async def count_open(tx: AsyncSession, depots: Collection[UUID] | None) -> int:
    """Count what still waits for somebody."""
    query = select(func.count()).select_from(InboxItem).where(col(InboxItem.state) == "open")
    if depots is not None:
        query = query.where(col(InboxItem.depot_id).in_(depots))
    return await tx.scalar(query) or 0
