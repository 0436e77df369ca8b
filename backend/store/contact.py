"""Queries about what devices said of themselves when they were heard: queues and clocks."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from backend.domain.inbox import InboxState
from backend.domain.route import RouteState
from backend.tables.devices import Device, DeviceJournal
from backend.tables.fleet import Driver
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.plans import Route


@dataclass(frozen=True, slots=True)
class Heard:
    """What a device said when it was last heard, and the route its driver is on."""

    device_id: UUID
    seen_at: dt.datetime
    pending: int | None
    oldest_pending_at: dt.datetime | None
    skew_ms: int | None
    route_id: UUID | None


_SAID: tuple[Mapped[Any], ...] = (
    col(Device.id),
    col(DeviceJournal.seen_at),
    col(DeviceJournal.pending),
    col(DeviceJournal.oldest_pending_at),
    col(DeviceJournal.skew_ms),
)


async def heard_since(
    tx: AsyncSession, depots: Collection[UUID] | None, since: dt.datetime
) -> list[Heard]:
    """Return the devices that were heard since a moment and are not revoked."""
    on_the_road = (
        select(col(Route.id))
        .where(
            col(Route.manifest_driver_id) == col(Device.driver_id),
            col(Route.state) == RouteState.STARTED.value,
        )
        .order_by(col(Route.id))
        .limit(1)
        .scalar_subquery()
    )
    query: Select[*tuple[Any, ...]] = (
        select(*_SAID, on_the_road)
        .join(DeviceJournal, col(DeviceJournal.device_id) == col(Device.id))
        .join(Driver, col(Driver.id) == col(Device.driver_id))
        .where(col(DeviceJournal.seen_at) >= since, col(Device.revoked_at).is_(None))
        .order_by(col(Device.id))
    )
    if depots is not None:
        query = query.where(col(Driver.depot_id).in_(depots))
    return [Heard(*row) for row in await tx.execute(query)]


@dataclass(frozen=True, slots=True)
class Replaced:
    """A device that fell silent with something to tell, and whose driver has a newer one."""

    device_id: UUID
    pending: int
    seen_at: dt.datetime
    oldest_pending_at: dt.datetime | None


async def replaced(tx: AsyncSession, before: dt.datetime, *, limit: int) -> list[Replaced]:
    """Return devices whose driver enrolled the same model anew before a moment.

    A phone that only changed its name brings its journal along: it has told under the new name
    what it told under the old one, and nothing is lost. Nobody is asked twice.
    """
    newer, again = aliased(Device), aliased(Mutation)
    journal_moved = (
        select(col(again.seq))
        .join(Mutation, col(Mutation.id) == col(again.id))
        .where(
            col(again.device_id) == col(newer.id),
            col(again.numbered),
            col(Mutation.device_id) == col(Device.id),
            col(Mutation.numbered),
        )
        .exists()
    )
    asked = (
        select(col(InboxItem.id))
        .where(col(InboxItem.subject) == func.concat("replaced:", col(Device.id)))
        .exists()
    )
    query: Select[*tuple[Any, ...]] = (
        select(
            col(Device.id),
            col(DeviceJournal.pending),
            col(DeviceJournal.seen_at),
            col(DeviceJournal.oldest_pending_at),
        )
        .join(DeviceJournal, col(DeviceJournal.device_id) == col(Device.id))
        .join(
            newer,
            (col(newer.driver_id) == col(Device.driver_id))
            & (col(newer.platform) == col(Device.platform))
            & (col(newer.model) == col(Device.model))
            & (col(newer.enrolled_at) > col(DeviceJournal.seen_at))
            & (col(newer.enrolled_at) <= before),
        )
        .where(col(DeviceJournal.pending) > 0, ~journal_moved, ~asked)
        .order_by(col(Device.id))
        .limit(limit)
    )
    return [Replaced(*row) for row in await tx.execute(query.distinct())]


async def back(tx: AsyncSession, *, limit: int) -> list[UUID]:
    """Return devices that were asked about as replaced, and were heard since."""
    query = (
        select(col(DeviceJournal.device_id))
        .join(InboxItem, col(InboxItem.device_id) == col(DeviceJournal.device_id))
        .where(
            col(InboxItem.state) == InboxState.OPEN.value,
            col(InboxItem.subject) == func.concat("replaced:", col(DeviceJournal.device_id)),
            col(DeviceJournal.seen_at) > col(InboxItem.at),
        )
    )
    return list(await tx.scalars(query.order_by(col(DeviceJournal.device_id)).limit(limit)))
