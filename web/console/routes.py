"""Routes and their stops under ``/console/v1``, and what a dispatcher may rearrange on them."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from backend.clock import rfc3339
from backend.domain.people import Role
from backend.domain.stop import StopState
from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.store import routes as store
from backend.store.database import Database, Tx, moment
from backend.wire.body import read_body
from backend.wire.json import decode, read_json
from planner import edits
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id
from web.query import read_date
from web.scope import must_see_stop


class WindowOut(msgspec.Struct, frozen=True):
    """When the visit was promised."""

    start: str
    end: str


class StopItem(msgspec.Struct, frozen=True):
    """A stop on its route; ``lateness_s`` counts from the end of its window, 0 if in time."""

    id: UUID
    consignment_ids: list[UUID]
    sequence: int
    state: str
    proof: str
    eta: str
    window: WindowOut
    version: int
    lateness_s: int
    attempt: int
    segment: str
    pinned: bool


class RouteItem(msgspec.Struct, frozen=True):
    """A route with its stops, in order."""

    id: UUID
    plan_id: UUID | None
    depot: str
    date: str
    state: str
    version: int
    driver_id: UUID
    vehicle_id: UUID
    shift_id: UUID
    released_at: str | None
    stops: list[StopItem]


class ReassignIn(msgspec.Struct, frozen=True):
    """Where a stop goes: the route, and the place in its order (1 is the first)."""

    route_id: str
    position: Annotated[int, Meta(ge=0, le=100_000)] | None = None


class PinIn(msgspec.Struct, frozen=True):
    """Whether later planning must keep the stop where it is."""

    pinned: bool = True


class ResequenceIn(msgspec.Struct, frozen=True):
    """The open stops of a route in their new order."""

    stop_ids: Annotated[list[str], Meta(max_length=1_000)]


class RouteController(Controller):
    """Routes, read and rearranged."""

    @get("/routes", operation_id="listRoutes")
    async def routes(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        date: FromQuery[str | None] = None,
        depot: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[RouteItem]:
        """List routes with their stops; superseded ones are left out."""
        if "\0" in (depot or ""):
            return Page([])
        async with db.snapshot() as tx:
            rows = await store.listed(
                tx, person.scope, depot or None, read_date(date), read_id_cursor(after), PAGE + 1
            )
            shown, cursor = page(rows, lambda row: (str(row.id),))
            return Page(await _items(tx, shown), cursor)

    @get("/routes/{route_id:str}", operation_id="getRoute")
    async def route(
        self,
        route_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> RouteItem:
        """Show a route with its stops."""
        async with db.snapshot() as tx:
            await _must_see(tx, person, the_id(route_id))
            return await _item(tx, the_id(route_id))

    @post(
        "/routes/{route_id:str}/resequence",
        operation_id="resequenceRoute",
        status_code=200,
        opt={"body": ResequenceIn},
    )
    async def resequence(
        self,
        request: Request[None, None, State],
        route_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> RouteItem:
        """Put a route's open stops into another order, which later planning keeps."""
        person.must_be(Role.SUPERVISOR)
        known = the_id(route_id)
        async with db.snapshot() as tx:
            await _must_see(tx, person, known)
        asked = await read_json(request, ResequenceIn)
        order = [the_id(text) for text in asked.stop_ids]
        async with db.begin() as tx:
            await edits.resequence(tx, person.actor, known, order)
            await tx.flush()
            return await _item(tx, known)

    @post(
        "/stops/{stop_id:str}/reassign",
        operation_id="reassignStop",
        status_code=200,
        opt={"body": ReassignIn},
    )
    async def reassign(
        self,
        request: Request[None, None, State],
        stop_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> RouteItem:
        """Move a stop to another route, which later planning keeps; answers with that route."""
        person.must_be(Role.SUPERVISOR)
        known = the_id(stop_id)
        async with db.snapshot() as tx:
            await must_see_stop(tx, person, known)
        asked = await read_json(request, ReassignIn)
        target = the_id(asked.route_id)
        async with db.begin() as tx:
            await _must_see(tx, person, target)
            await edits.reassign(tx, person.actor, known, target, asked.position)
            await tx.flush()
            return await _item(tx, target)

    @post("/stops/{stop_id:str}/pin", operation_id="pinStop", status_code=200)
    async def pin(
        self,
        request: Request[None, None, State],
        stop_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> StopItem:
        """Keep a stop on its route whatever is planned later; ``{pinned: false}`` lets go."""
        person.must_be(Role.SUPERVISOR)
        known = the_id(stop_id)
        async with db.snapshot() as tx:
            await must_see_stop(tx, person, known)
        body = await read_body(request)
        asked = decode(body, PinIn) if body.strip() else PinIn()
        async with db.begin() as tx:
            await edits.pin(tx, person.actor, known, pinned=asked.pinned)
            await tx.flush()
            ground = await must_see_stop(tx, person, known)  # it may have moved, and is locked now
            item = await _item(tx, ground.route_id)
        return next(stop for stop in item.stops if stop.id == known)


async def _must_see(tx: Tx, person: SignedIn, route_id: UUID) -> None:
    depot_id = await store.depot_of(tx, route_id)
    if depot_id is None:
        raise NotFound
    person.must_see(depot_id)


async def _item(tx: Tx, route_id: UUID) -> RouteItem:
    row = await store.one(tx, route_id)
    if row is None:
        raise NotFound
    return (await _items(tx, [row]))[0]


async def _items(tx: Tx, rows: Sequence[store.RouteLine]) -> list[RouteItem]:
    stops = await store.stops(tx, [row.id for row in rows])
    now = moment(tx)
    return [
        RouteItem(
            id=row.id,
            plan_id=row.plan_id,
            depot=row.depot,
            date=row.date.isoformat(),
            state=row.state,
            version=row.version,
            driver_id=row.driver_id,
            vehicle_id=row.vehicle_id,
            shift_id=row.shift_id,
            released_at=rfc3339(row.released_at) if row.released_at else None,
            stops=[_stop(stop, now) for stop in stops[row.id]],
        )
        for row in rows
    ]


def _stop(stop: store.StopLine, now: dt.datetime) -> StopItem:
    return StopItem(
        id=stop.id,
        consignment_ids=[stop.consignment_id],
        sequence=stop.sequence,
        state=stop.state,
        proof=stop.proof,
        eta=rfc3339(stop.eta),
        window=WindowOut(rfc3339(stop.window_start), rfc3339(stop.window_end)),
        version=stop.version,
        lateness_s=lateness_s(stop, now),
        attempt=stop.attempt,
        segment=stop.segment,
        pinned=stop.pinned,
    )


def lateness_s(stop: store.StopLine, now: dt.datetime) -> int:
    """Return by how much the visit missed its window, or is going to; a cancelled one does not."""
    if stop.state == StopState.CANCELLED:
        return 0
    happens = stop.arrived_at or stop.closed_at or max(stop.eta, now)
    return max(0, int((happens - stop.window_end).total_seconds()))
