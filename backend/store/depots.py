"""Depots' feeds: rows that business transactions left unnumbered get their number here.

A row without a number is on disk with the change it tells of, so nothing is lost whoever dies when.
The depot's counter and the rows change together, and the counter's lock puts those who number into
a line; rows in somebody's hands are passed over, to be numbered when they are let go. So two who
number at once do each other no harm, and a writer never waits for more than one such transaction.
"""

from datetime import date
from typing import Any, cast
from uuid import UUID

from sqlalchemy import String, literal, select, text
from sqlalchemy import cast as as_type
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.store.database import moment
from backend.store.feed import DEPOT, depot_scope
from backend.tables.fleet import Depot
from backend.tables.scopes import Feed

BATCH = 1_000


async def unnumbered(tx: AsyncSession) -> list[UUID]:
    """Return the depots that have rows without a number."""
    scope = literal(DEPOT) + as_type(col(Depot.id), String)
    waits = select(col(Feed.scope)).where(col(Feed.scope) == scope, col(Feed.v).is_(None))
    query = select(col(Depot.id)).where(waits.exists()).order_by(col(Depot.id))
    return list(await tx.scalars(query))


# The counter is locked after the first row is found and before any other is asked for; nobody who
# holds a counter waits for a row, here or where tombstones are dropped.
_NUMBER = text(
    """
    WITH found AS (
      SELECT scope, type, entity_id FROM feed WHERE scope = :scope AND v IS NULL
      LIMIT :batch FOR UPDATE SKIP LOCKED
    ), bumped AS (
      INSERT INTO scope (id, v) SELECT :scope, 1 WHERE EXISTS (SELECT FROM found)
      ON CONFLICT (id) DO UPDATE SET v = scope.v + 1 RETURNING v
    )
    UPDATE feed SET v = bumped.v FROM found, bumped
    WHERE (feed.scope, feed.type, feed.entity_id) = (found.scope, found.type, found.entity_id)
    """
)


async def number(tx: AsyncSession, depot_id: UUID) -> int:
    """Give rows of a depot that wait one number of their own; return how many there were."""
    done = await tx.execute(_NUMBER, {"scope": depot_scope(depot_id), "batch": BATCH})
    return cast("CursorResult[Any]", done).rowcount


# What is in somebody's hands is taken down another day.
_TAKE_DOWN = text(
    """
    WITH old AS (
      SELECT type, entity_id FROM feed
      WHERE scope = :scope AND NOT gone AND (
        type = 'route' AND EXISTS (
          SELECT FROM route WHERE route.id = entity_id::uuid AND route.date < :before)
        OR type = 'stop' AND EXISTS (
          SELECT FROM stop JOIN route ON route.id = stop.route_id
          WHERE stop.id = entity_id::uuid AND route.date < :before))
      LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    UPDATE feed SET gone = true, gone_at = :now, v = NULL FROM old
    WHERE feed.scope = :scope AND (feed.type, feed.entity_id) = (old.type, old.entity_id)
    """
)


async def take_down(tx: AsyncSession, depot_id: UUID, before: date) -> int:
    """Take routes of days before a date off the board, with their stops; return how many left."""
    values = {"scope": depot_scope(depot_id), "before": before, "batch": BATCH, "now": moment(tx)}
    done = await tx.execute(_TAKE_DOWN, values)
    return cast("CursorResult[Any]", done).rowcount


async def all_ids(tx: AsyncSession) -> list[UUID]:
    """Return every depot."""
    return list(await tx.scalars(select(col(Depot.id)).order_by(col(Depot.id))))
