"""Scopes and their feed: what changed for whom, numbered by one counter per scope.

A transaction remembers what it touched; ``publish`` writes those feed rows and bumps each driver's
counter once, in id order, as the last locks of the transaction. All rows of one transaction in one
scope share one number. A counter that is bumped early or a plain sequence would lose changes of
transactions that commit out of order.

A depot's counter is taken by nobody here: two hundred drivers would queue for it. Its rows are
written without a number, and ``store.depots`` numbers them afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.store.direct import fetch
from backend.tables.scopes import Scope

DEPOT = "depot:"
_ROUTE = "route:"
_TOUCHED = "touched"
_NAMES = 4_096  # of scopes; every event of a stop names two


class Key(NamedTuple):
    """An entity in a scope."""

    scope: str
    type: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """The newest version of an entity in a scope, or its tombstone."""

    type: str
    entity_id: str
    v: int
    gone: bool


@lru_cache(_NAMES)
def driver_scope(driver_id: UUID) -> str:
    """Name a driver's scope."""
    return f"driver:{driver_id}"


def depot_scope(depot_id: UUID) -> str:
    """Name a depot's scope, which its control room reads."""
    return f"{DEPOT}{depot_id}"


@lru_cache(_NAMES)
def board_of(route_id: UUID) -> str:
    """Name the scope of the depot that a route belongs to, which ``publish`` looks up."""
    return f"{_ROUTE}{route_id}"


def touch(tx: AsyncSession, scope: str, type_: str, entity_id: str, *, gone: bool = False) -> None:
    """Remember that an entity of a scope changed, or left it; the last word counts."""
    touched = cast("dict[Key, bool]", tx.info.setdefault(_TOUCHED, {}))
    touched[Key(scope, type_, entity_id)] = gone


_HOLD = "INSERT INTO scope (id, v) VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET v = scope.v"

# One statement. Counters come before rows, by the sort, and the one that is only held takes its
# place among them; an entity that left one route and came to another of the same depot is still
# there; what is on a superseded route is not.
_PUBLISH = """
WITH told AS (
  SELECT coalesce(t.scope, 'depot:' || r.depot_id) AS scope, t.type, t.entity_id,
         bool_and(t.gone OR coalesce(r.state = 'superseded', false)) AS gone
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::boolean[])
    AS t(scope, route, type, entity_id, gone)
  LEFT JOIN route r ON r.id = t.route
  GROUP BY 1, 2, 3
), bumped AS (
  INSERT INTO scope (id, v)
  SELECT scope, max(step) FROM (
    SELECT scope, 1 FROM told WHERE scope NOT LIKE 'depot:%'
    UNION ALL SELECT $7::text, 0 WHERE $7::text IS NOT NULL) AS taken(scope, step)
  GROUP BY 1 ORDER BY 1
  ON CONFLICT (id) DO UPDATE SET v = scope.v + excluded.v RETURNING id, v
)
INSERT INTO feed (scope, type, entity_id, v, gone, gone_at)
SELECT told.scope, told.type, told.entity_id, bumped.v, told.gone,
       CASE WHEN told.gone THEN $6::timestamptz END
FROM told LEFT JOIN bumped ON bumped.id = told.scope
WHERE told.scope IS NOT NULL
ORDER BY 1, 2, 3
ON CONFLICT (scope, type, entity_id)
DO UPDATE SET v = excluded.v, gone = excluded.gone, gone_at = excluded.gone_at
"""


async def publish(tx: AsyncSession, *, holding: str | None = None) -> None:
    """Write what the transaction touched, numbered where it is a driver's.

    A scope that is held has its counter locked with the others, raised or not: nothing of it is
    committed meanwhile.
    """
    touched = cast("dict[Key, bool]", tx.info.pop(_TOUCHED, {}))
    if not touched:
        if holding is not None:
            await fetch(tx, _HOLD, holding)
        return
    keys = sorted(touched)
    routes = [
        UUID(key.scope.removeprefix(_ROUTE)) if key.scope.startswith(_ROUTE) else None
        for key in keys
    ]
    await fetch(
        tx,
        _PUBLISH,
        [None if route else key.scope for key, route in zip(keys, routes, strict=True)],
        routes,
        [key.type for key in keys],
        [key.entity_id for key in keys],
        [touched[key] for key in keys],
        tx.info["now"],
        holding,
    )


async def version(tx: AsyncSession, scope: str) -> int:
    """Return a scope's counter; 0 for a scope that nothing ever touched."""
    found = await tx.scalar(select(col(Scope.v)).where(col(Scope.id) == scope))
    return found or 0


async def versions(tx: AsyncSession, scopes: Iterable[str]) -> dict[str, int]:
    """Return the counters of several scopes at once."""
    query = select(col(Scope.id), col(Scope.v)).where(
        col(Scope.id).in_(bindparam("ids", expanding=True))
    )
    rows = await tx.execute(query, {"ids": list(scopes)})
    return {row.id: row.v for row in rows}


async def since(tx: AsyncSession, scope: str, v: int, *, limit: int) -> list[Change]:
    """Return changes after ``v`` in order; never splits the changes of one transaction.

    At most ``limit`` changes, unless one transaction alone made more.
    """
    return (await later(tx, scope, v, limit=limit))[0]


async def later(tx: AsyncSession, scope: str, v: int, *, limit: int) -> tuple[list[Change], bool]:
    """Return a page of the changes after ``v``, and whether that is all of them.

    A page that is not full may have more behind it: what would not fit was left whole.
    """
    return await _page(tx, _LATER, (scope, v), limit)


async def present(tx: AsyncSession, scope: str, *, limit: int) -> tuple[list[Change], bool]:
    """Return what is in the scope now, as far as a page goes, and whether that is all of it.

    Tombstones are for those who held what is gone. Whoever begins anew is spared them: there is
    one for every stop that a driver ever had.
    """
    return await _page(tx, _PRESENT, (scope,), limit)


# Whoever selects by a number sees no row without one.
_LATER = "SELECT type, entity_id, v, gone FROM feed WHERE scope = $1 AND v > $2"
_PRESENT = (
    "SELECT type, entity_id, v, gone FROM feed WHERE scope = $1 AND v IS NOT NULL AND NOT gone"
)


async def _page(
    tx: AsyncSession, query: str, values: tuple[object, ...], limit: int
) -> tuple[list[Change], bool]:
    """Cut a page between two transactions; tell whether nothing is left behind it."""
    last = f"${len(values) + 1}"
    cut = f"{query} ORDER BY v, type, entity_id LIMIT {last}"
    rows = await fetch(tx, cut, *values, limit + 1)
    is_all = len(rows) <= limit
    if not is_all:
        v = rows[limit]["v"]
        rows = [row for row in rows if row["v"] < v] or await fetch(
            tx, f"{query} AND v = {last} ORDER BY v, type, entity_id", *values, v
        )
    return [Change(*row) for row in rows], is_all


_DIGEST = """
SELECT encode(sha256(convert_to(coalesce(string_agg(line, '' ORDER BY line COLLATE "C"), ''),
                                'UTF8')), 'hex')
FROM (SELECT concat(type, ':', entity_id, ':', v, E'\\n') AS line FROM feed
      WHERE scope = (SELECT $1::text) AND v IS NOT NULL AND NOT gone) AS present
"""


async def digest(tx: AsyncSession, scope: str) -> str:
    """Hash the sorted lines ``type:id:v`` of all that is in the scope now (contract 2.2, rule 7).

    The database does it: a hundred and fifty rows cost more to carry over than to hash.
    """
    rows = await fetch(tx, _DIGEST, scope)
    return str(rows[0][0])
