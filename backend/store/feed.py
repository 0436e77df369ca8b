"""Scopes and their feed: what changed for whom, numbered by one counter per scope.

A transaction remembers what it touched; ``publish`` writes those feed rows and bumps each scope's
counter once, in id order, as the last locks of the transaction. All rows of one transaction in one
scope share one number. A counter that is bumped early or a plain sequence would lose changes of
transactions that commit out of order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Select, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.tables.scopes import Feed, Scope

_TOUCHED = "touched"


@dataclass(frozen=True, slots=True, order=True)
class Key:
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


def driver_scope(driver_id: UUID) -> str:
    """Name a driver's scope."""
    return f"driver:{driver_id}"


def touch(tx: AsyncSession, scope: str, type_: str, entity_id: str, *, gone: bool = False) -> None:
    """Remember that an entity of a scope changed, or left it; the last word counts."""
    touched = cast("dict[Key, bool]", tx.info.setdefault(_TOUCHED, {}))
    touched[Key(scope, type_, entity_id)] = gone


_BUMP = text(
    "INSERT INTO scope (id, v) VALUES (:id, 1) "
    "ON CONFLICT (id) DO UPDATE SET v = scope.v + 1 RETURNING v"
)
_PUT = text(
    "INSERT INTO feed (scope, type, entity_id, v, gone) "
    "SELECT :scope, t, e, :v, g FROM unnest("
    "CAST(:types AS text[]), CAST(:ids AS text[]), CAST(:gone AS boolean[])) AS x(t, e, g) "
    "ON CONFLICT (scope, type, entity_id) DO UPDATE SET v = excluded.v, gone = excluded.gone"
)


async def publish(tx: AsyncSession) -> dict[str, int]:
    """Number what the transaction touched; return each touched scope's new version."""
    touched = cast("dict[Key, bool]", tx.info.pop(_TOUCHED, {}))
    versions: dict[str, int] = {}
    for scope in sorted({key.scope for key in touched}):
        keys = sorted(key for key in touched if key.scope == scope)
        versions[scope] = (await tx.execute(_BUMP, {"id": scope})).scalar_one()
        await tx.execute(
            _PUT,
            {
                "scope": scope,
                "v": versions[scope],
                "types": [key.type for key in keys],
                "ids": [key.entity_id for key in keys],
                "gone": [touched[key] for key in keys],
            },
        )
    return versions


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
    return (await _page(tx, _changes(scope).where(col(Feed.v) > v), limit))[0]


async def present(tx: AsyncSession, scope: str, *, limit: int) -> tuple[list[Change], bool]:
    """Return what is in the scope now, as far as a page goes, and whether that is all of it.

    Tombstones are for those who held what is gone. Whoever begins anew is spared them: there is
    one for every stop that a driver ever had.
    """
    return await _page(tx, _changes(scope).where(~col(Feed.gone)), limit)


def _changes(scope: str) -> Select[str, str, int, bool]:
    return (
        select(col(Feed.type), col(Feed.entity_id), col(Feed.v), col(Feed.gone))
        .where(col(Feed.scope) == scope)
        .order_by(col(Feed.v), col(Feed.type), col(Feed.entity_id))
    )


async def _page(
    tx: AsyncSession, query: Select[str, str, int, bool], limit: int
) -> tuple[list[Change], bool]:
    """Cut a page between two transactions; tell whether nothing is left behind it."""
    rows = list((await tx.execute(query.limit(limit + 1))).all())
    is_all = len(rows) <= limit
    if not is_all:
        last = rows[limit].v
        rows = [row for row in rows if row.v < last] or list(
            (await tx.execute(query.where(col(Feed.v) == last))).all()
        )
    return [Change(row.type, row.entity_id, row.v, row.gone) for row in rows], is_all


async def all_versions(tx: AsyncSession, scope: str) -> list[tuple[str, str, int]]:
    """Return (type, id, v) of every entity that is in the scope now."""
    query = select(col(Feed.type), col(Feed.entity_id), col(Feed.v)).where(
        col(Feed.scope) == scope, ~col(Feed.gone)
    )
    return [(row.type, row.entity_id, row.v) for row in await tx.execute(query)]
