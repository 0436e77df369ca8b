"""Queries about fixes from the lossy lane."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.tables.devices import Position


class Fix(TypedDict):
    """Where a phone was."""

    at: datetime
    lat: float
    lon: float
    accuracy_m: float
    speed: float | None
    mock: bool


async def keep(tx: AsyncSession, device_id: UUID, fixes: Sequence[Fix]) -> None:
    """Keep fixes; one of the same moment twice is kept once."""
    if fixes:
        rows = [{"device_id": device_id, **fix} for fix in fixes]
        await tx.execute(insert(Position).values(rows).on_conflict_do_nothing())
