"""Fixes from the lossy lane: kept once, by month, and each driver's newest at hand.

Nothing here locks a row that a push needs: fixes refer to nothing, and a driver's newest fix is a
row of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.store.database import Tx
from backend.store.direct import as_json, fetch
from backend.tables.fleet import Driver
from backend.tables.plans import Route
from backend.tables.positions import LastFix


class Fix(Struct, frozen=True):
    """Where a phone was."""

    at: datetime
    lat: float
    lon: float
    accuracy_m: float
    speed: float | None
    mock: bool


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A driver's newest fix."""

    driver_id: UUID
    depot_id: UUID
    at: datetime
    lat: float
    lon: float
    accuracy_m: float
    speed: float | None
    mock: bool


# The first of two fixes of one moment stays, whichever batch it came in. Who loses power a moment
# after the answer loses fixes: this lane does not wait for the disk.
_KEEP = """
WITH lax AS (SELECT set_config('synchronous_commit', 'off', true)),
told AS (
  SELECT fix.* FROM lax,
    ROWS FROM (json_to_recordset($3::text::json) AS (
      at timestamptz, lat float8, lon float8, accuracy_m float8, speed float8, mock boolean)
    ) WITH ORDINALITY AS fix(at, lat, lon, accuracy_m, speed, mock, place)
), kept AS (
  INSERT INTO position (device_id, at, lat, lon, accuracy_m, speed, mock)
  SELECT $1::uuid, at, lat, lon, accuracy_m, speed, mock FROM told ORDER BY place
  ON CONFLICT DO NOTHING
)
INSERT INTO last_fix (driver_id, device_id, at, lat, lon, accuracy_m, speed, mock)
SELECT $2::uuid, $1::uuid, at, lat, lon, accuracy_m, speed, mock FROM told
ORDER BY at DESC, place LIMIT 1
ON CONFLICT (driver_id) DO UPDATE
SET device_id = excluded.device_id, at = excluded.at, lat = excluded.lat, lon = excluded.lon,
    accuracy_m = excluded.accuracy_m, speed = excluded.speed, mock = excluded.mock
WHERE last_fix.at < excluded.at
"""


async def keep(tx: Tx, device_id: UUID, driver_id: UUID, fixes: Sequence[Fix]) -> None:
    """Keep fixes; one of the same moment twice is kept once, as it came first."""
    if fixes:
        await fetch(tx, _KEEP, device_id, driver_id, as_json(fixes))


_NAMES = ("at", "lat", "lon", "accuracy_m", "speed", "mock")


async def whereabouts(
    tx: AsyncSession, depots: Collection[UUID] | None, since: datetime
) -> list[Whereabouts]:
    """Return the newest fix of every driver of these depots, if it is no older than ``since``."""
    query = (
        select(
            col(LastFix.driver_id),
            col(Driver.depot_id),
            col(LastFix.at),
            col(LastFix.lat),
            col(LastFix.lon),
            col(LastFix.accuracy_m),
            col(LastFix.speed),
            col(LastFix.mock),
        )
        .join(Driver, col(Driver.id) == col(LastFix.driver_id))
        .where(col(LastFix.at) >= since)
        .order_by(col(LastFix.driver_id))
    )
    if depots is not None:
        query = query.where(col(Driver.depot_id).in_(depots))
    return [Whereabouts(*row) for row in await tx.execute(query)]


async def on_route(tx: AsyncSession, route_id: UUID, since: datetime) -> Fix | None:
    """Return the newest fix of a route's driver, if it is no older than ``since``."""
    query = (
        select(*(getattr(LastFix, name) for name in _NAMES))
        .join(Route, col(Route.driver_id) == col(LastFix.driver_id))
        .where(col(Route.id) == route_id, col(LastFix.at) >= since)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Fix(*row)


async def forget_newest(tx: AsyncSession, before: datetime) -> None:
    """Forget where drivers were last seen, if that is long ago."""
    await tx.execute(delete(LastFix).where(col(LastFix.at) < before))
