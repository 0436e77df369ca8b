"""Tombstones of scopes: dropped when nobody needs them, and the floor that says how far.

Whoever holds the counter's row here waits for nothing else: tombstones in somebody's hands are
passed over. So writers, who take counters before rows, are never in a deadlock with this.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Buried:
    """A scope with tombstones, and up to where every device that may still ask has seen them."""

    scope: str
    passed: int | None


# A driver without a live device has nobody who could miss a tombstone. A depot's readers are
# not known, so age alone counts there.
_SCOPES = text(
    """
    SELECT f.scope, coalesce(min(p.passed), CASE WHEN f.scope LIKE 'driver:%' THEN max(f.v) END)
    FROM feed f LEFT JOIN (
      SELECT 'driver:' || d.driver_id AS scope, min(coalesce(j.pulled_v, 0)) AS passed
      FROM device d JOIN device_journal j ON j.device_id = d.id
      WHERE d.revoked_at IS NULL GROUP BY 1
    ) p ON p.scope = f.scope
    WHERE f.gone AND f.v IS NOT NULL
    GROUP BY f.scope
    HAVING bool_or(f.gone_at < :before)
        OR min(f.v) <= coalesce(
             min(p.passed), CASE WHEN f.scope LIKE 'driver:%' THEN max(f.v) ELSE 0 END)
    ORDER BY f.scope
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)))


async def droppable(tx: AsyncSession, before: datetime) -> list[Buried]:
    """Return the scopes in which a tombstone is older than ``before`` or seen by all devices."""
    return [Buried(*row) for row in await tx.execute(_SCOPES, {"before": before})]


_HOLD = text("SELECT v FROM scope WHERE id = :scope FOR NO KEY UPDATE")
_DROP = text(
    """
    WITH old AS (
      SELECT type, entity_id FROM feed
      WHERE scope = :scope AND gone AND v IS NOT NULL AND (gone_at < :before OR v <= :passed)
      LIMIT :batch FOR UPDATE SKIP LOCKED
    ), dropped AS (
      DELETE FROM feed USING old
      WHERE feed.scope = :scope AND (feed.type, feed.entity_id) = (old.type, old.entity_id)
      RETURNING feed.v
    ), highest AS (SELECT max(v) AS v, count(*) AS number FROM dropped), raised AS (
      UPDATE scope SET floor = greatest(floor, highest.v) FROM highest
      WHERE id = :scope AND highest.number > 0
    )
    SELECT number FROM highest
    """
).bindparams(
    bindparam("before", type_=DateTime(timezone=True)), bindparam("passed", type_=BigInteger)
)


async def drop(tx: AsyncSession, buried: Buried, before: datetime) -> int:
    """Drop tombstones of a scope and raise its floor to the last of them; return how many."""
    await tx.execute(_HOLD, {"scope": buried.scope})
    values = {"scope": buried.scope, "passed": buried.passed, "before": before, "batch": BATCH}
    return int(await tx.scalar(_DROP, values) or 0)
