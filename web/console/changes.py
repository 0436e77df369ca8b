"""``GET /console/v1/changes``: the board of a control room, as deltas by cursor."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from backend.clock import rfc3339
from backend.identity.people import SignedIn
from backend.store import boards
from backend.store import routes as store
from backend.store.database import Database, Tx
from web import board
from web.console.routes import WindowOut


class RouteOut(msgspec.Struct, frozen=True):
    """A route on the board, without its stops: they are items of their own."""

    id: UUID
    date: str
    state: str
    version: int
    driver_id: UUID
    vehicle_id: UUID
    released_at: str | None


class StopOut(msgspec.Struct, frozen=True):
    """A stop on the board."""

    id: UUID
    route_id: UUID
    sequence: int
    state: str
    proof: str
    eta: str
    window: WindowOut
    version: int
    attempt: int
    segment: str
    pinned: bool
    arrived_at: str | None
    closed_at: str | None


class InboxOut(msgspec.Struct, frozen=True):
    """An open inbox item; the inbox itself tells more."""

    id: UUID
    kind: str
    stop_id: UUID | None


class _Put(msgspec.Struct, frozen=True, tag_field="type"):
    id: UUID
    depot_id: UUID
    v: int


class RoutePut(_Put, frozen=True, tag="route"):
    """A route is on the board, and looks like this."""

    data: RouteOut


class StopPut(_Put, frozen=True, tag="stop"):
    """A stop is on the board, and looks like this."""

    data: StopOut


class InboxPut(_Put, frozen=True, tag="inbox"):
    """An inbox item is open."""

    data: InboxOut


Put: TypeAlias = RoutePut | StopPut | InboxPut
Item: TypeAlias = RouteOut | StopOut | InboxOut


class RemoveOut(msgspec.Struct, frozen=True):
    """An item is no longer on the board."""

    type: str
    id: UUID
    depot_id: UUID


class ChangesOut(msgspec.Struct, frozen=True):
    """Puts and removes in order, and where to read on; ``reset`` means: forget the board first."""

    cursor: str
    reset: bool
    more: bool
    puts: list[Put]
    removes: list[RemoveOut]


class ChangeController(Controller):
    """One call."""

    @get("/changes", operation_id="readChanges")
    async def changes(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        cursor: FromQuery[str | None] = None,
    ) -> ChangesOut:
        """Read what changed on the boards of one's depots; without a cursor, everything."""
        async with db.snapshot() as tx:
            page = await board.read(tx, person, cursor)
            items = await _items(tx, page.told)
        puts: list[Put] = []
        removes: list[RemoveOut] = []
        for told in page.told:
            type_, id_ = told.change.type, UUID(told.change.entity_id)
            item = None if told.change.gone else items.get(id_)
            if item is None:
                removes.append(RemoveOut(type_, id_, told.depot))
            else:
                puts.append(_put(told, item))
        return ChangesOut(page.cursor, page.reset, page.more, puts, removes)


def _put(told: board.Told, item: Item) -> Put:
    id_, v = UUID(told.change.entity_id), told.change.v
    match item:
        case RouteOut():
            return RoutePut(id_, told.depot, v, item)
        case StopOut():
            return StopPut(id_, told.depot, v, item)
        case InboxOut():
            return InboxPut(id_, told.depot, v, item)


async def _items(tx: Tx, told: Iterable[board.Told]) -> dict[UUID, Item]:
    """Read the items as they are now."""
    ids: dict[str, list[UUID]] = {"route": [], "stop": [], "inbox": []}
    for each in told:
        if not each.change.gone:
            ids[each.change.type].append(UUID(each.change.entity_id))
    routes: list[Item] = [_route(line) for line in await store.some(tx, ids["route"])]
    stops: list[Item] = [_stop(line) for line in await store.some_stops(tx, ids["stop"])]
    waiting = await boards.items(tx, ids["inbox"])
    inbox: list[Item] = [InboxOut(item.id, item.kind, item.stop_id) for item in waiting]
    return {item.id: item for item in (*routes, *stops, *inbox)}


def _route(line: store.RouteLine) -> RouteOut:
    return RouteOut(
        id=line.id,
        date=line.date.isoformat(),
        state=line.state,
        version=line.version,
        driver_id=line.driver_id,
        vehicle_id=line.vehicle_id,
        released_at=_time(line.released_at),
    )


def _stop(line: store.StopLine) -> StopOut:
    return StopOut(
        id=line.id,
        route_id=line.route_id,
        sequence=line.sequence,
        state=line.state,
        proof=line.proof,
        eta=rfc3339(line.eta),
        window=WindowOut(rfc3339(line.window_start), rfc3339(line.window_end)),
        version=line.version,
        attempt=line.attempt,
        segment=line.segment,
        pinned=line.pinned,
        arrived_at=_time(line.arrived_at),
        closed_at=_time(line.closed_at),
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
