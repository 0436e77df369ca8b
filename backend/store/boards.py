"""What is on the boards of depots, as control rooms read it: places in the feed, and items."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from backend.store import feed
from backend.store.database import Tx
from backend.tables.fleet import Depot
from backend.tables.inbox import InboxItem
from backend.tables.scopes import Feed, Scope

# What waits for its number is shown to whoever begins anew; more than this waits only where
# nobody numbers at all.
MOST_UNNUMBERED = 2_000


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a depot's feed stands, and up to where its tombstones may be gone."""

    v: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An open inbox item as a board shows it."""

    id: UUID
    kind: str
    stop_id: UUID | None


async def seen_by(tx: Tx, depots: Collection[UUID] | None) -> list[UUID]:
    """Return the depots that somebody sees, by id; ``depots`` None means all."""
    if depots is not None:
        return sorted(depots)
    return list(await tx.scalars(select(col(Depot.id)).order_by(col(Depot.id))))


async def stands(tx: Tx, depots: Collection[UUID]) -> dict[UUID, Stand]:
    """Return where the feeds of depots stand."""
    names = {feed.depot_scope(depot): depot for depot in depots}
    query = select(col(Scope.id), col(Scope.v), col(Scope.floor)).where(col(Scope.id).in_(names))
    found = {names[row[0]]: Stand(row[1], row[2]) for row in await tx.execute(query)}
    return {depot: found.get(depot, Stand()) for depot in depots}


async def unnumbered(tx: Tx, depot: UUID, v: int) -> list[feed.Change]:
    """Return what is on a depot's board and waits for its number, as if it were numbered ``v``."""
    query = select(col(Feed.type), col(Feed.entity_id)).where(
        col(Feed.scope) == feed.depot_scope(depot), ~col(Feed.gone), col(Feed.v).is_(None)
    )
    rows = await tx.execute(query.limit(MOST_UNNUMBERED))
    return [feed.Change(row[0], row[1], v, gone=False) for row in rows]


async def items(tx: Tx, ids: Collection[UUID]) -> list[OpenItem]:
    """Return inbox items."""
    query = select(col(InboxItem.id), col(InboxItem.kind), col(InboxItem.stop_id))
    return [OpenItem(*row) for row in await tx.execute(query.where(col(InboxItem.id).in_(ids)))]
