"""Queries about the devices of a fleet, as the control room sees them."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from backend.tables.devices import Device, DeviceJournal
from backend.tables.fleet import Driver


@dataclass(frozen=True, slots=True)
class FleetDevice:
    """A device, its driver, and when it last spoke."""

    id: UUID
    driver_id: UUID
    platform: str
    model: str
    app_version: str
    enrolled_at: dt.datetime
    revoked_at: dt.datetime | None
    seen_at: dt.datetime | None
    pending: int | None
    oldest_pending_at: dt.datetime | None
    skew_ms: int | None


_DEVICE: tuple[Mapped[Any], ...] = (
    col(Device.id),
    col(Device.driver_id),
    col(Device.platform),
    col(Device.model),
    col(Device.app_version),
    col(Device.enrolled_at),
    col(Device.revoked_at),
    col(DeviceJournal.seen_at),
    col(DeviceJournal.pending),
    col(DeviceJournal.oldest_pending_at),
    col(DeviceJournal.skew_ms),
)


async def devices(
    tx: AsyncSession, depots: Collection[UUID] | None, after: UUID | None, limit: int
) -> list[FleetDevice]:
    """Return devices, oldest first."""
    query = (
        select(*_DEVICE)
        .join(Driver, col(Driver.id) == col(Device.driver_id))
        .outerjoin(DeviceJournal, col(DeviceJournal.device_id) == col(Device.id))
        .order_by(col(Device.id))
        .limit(limit)
    )
    if depots is not None:
        query = query.where(col(Driver.depot_id).in_(depots))
    if after is not None:
        query = query.where(col(Device.id) > after)
    return [FleetDevice(*row) for row in await tx.execute(query)]


async def driver_depot(tx: AsyncSession, driver_id: UUID) -> UUID | None:
    """Return the depot a driver works for."""
    return await tx.scalar(select(col(Driver.depot_id)).where(col(Driver.id) == driver_id))
