"""Queries that notice what goes wrong: late stops, long visits, silent devices, owed evidence."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from backend.domain.route import RouteState
from backend.domain.stop import ProofState, StopState
from backend.tables.devices import Device, DeviceJournal
from backend.tables.plans import Route
from backend.tables.stops import Stop

_UNDER_WAY = (StopState.RELEASED.value, StopState.ARRIVED.value)


@dataclass(frozen=True, slots=True)
class Visit:
    """An open visit, as far as alerts look at it."""

    stop_id: UUID
    route_id: UUID
    segment: str
    state: str
    window_end: dt.datetime
    arrived_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Owing:
    """A closed visit whose evidence is overdue."""

    stop_id: UUID
    route_id: UUID
    due: dt.datetime


@dataclass(frozen=True, slots=True)
class Talker:
    """A device whose driver is on the road, and when it last spoke."""

    device_id: UUID
    driver_id: UUID
    route_id: UUID
    seen_at: dt.datetime


_VISIT: tuple[Mapped[Any], ...] = (
    col(Stop.id),
    col(Stop.route_id),
    col(Stop.segment),
    col(Stop.state),
    col(Stop.window_end),
    col(Stop.arrived_at),
)


async def open_visits(
    tx: AsyncSession, depots: Collection[UUID] | None, now: dt.datetime
) -> list[Visit]:
    """Return visits that should have ended, or have begun."""
    query = (
        select(*_VISIT)
        .join(Route, col(Route.id) == col(Stop.route_id))
        .where(
            _within(depots),
            col(Stop.manifest_driver_id).is_not(None),
            col(Stop.state).in_(_UNDER_WAY),
            (col(Stop.window_end) < now) | (col(Stop.state) == StopState.ARRIVED.value),
        )
        .order_by(col(Stop.window_end))
    )
    return [Visit(*row) for row in await tx.execute(query)]


_OWING: tuple[Mapped[Any], ...] = (
    col(Stop.id),
    col(Stop.route_id),
    col(Stop.evidence_due_at),
)


async def owing_evidence(
    tx: AsyncSession, depots: Collection[UUID] | None, now: dt.datetime
) -> list[Owing]:
    """Return visits whose evidence should have come."""
    query = (
        select(*_OWING)
        .join(Route, col(Route.id) == col(Stop.route_id))
        .where(
            _within(depots),
            col(Stop.proof) == ProofState.AWAITED.value,
            col(Stop.evidence_due_at) < now,
        )
        .order_by(col(Stop.evidence_due_at))
    )
    return [Owing(*row) for row in await tx.execute(query)]


_TALKER: tuple[Mapped[Any], ...] = (
    col(Device.id),
    col(Device.driver_id),
    col(Route.id),
    col(DeviceJournal.seen_at),
)


async def devices_on_the_road(tx: AsyncSession, depots: Collection[UUID] | None) -> list[Talker]:
    """Return the device last heard of each driver whose route is started."""
    query = (
        select(*_TALKER)
        .join(DeviceJournal, col(DeviceJournal.device_id) == col(Device.id))
        .join(Route, col(Route.manifest_driver_id) == col(Device.driver_id))
        .where(
            _within(depots),
            col(Route.state) == RouteState.STARTED.value,
            col(Device.revoked_at).is_(None),
            col(DeviceJournal.seen_at).is_not(None),
        )
        .order_by(col(Device.driver_id), col(DeviceJournal.seen_at).desc())
        .ext(distinct_on(col(Device.driver_id)))
    )
    return [Talker(*row) for row in await tx.execute(query)]


def _within(depots: Collection[UUID] | None) -> ColumnElement[bool]:
    return true() if depots is None else col(Route.depot_id).in_(depots)
