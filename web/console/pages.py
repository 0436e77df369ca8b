"""The console's pages of a day: its routes, one route, and the inbox. They work without scripts."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from backend.domain.people import Role
from backend.errors import Malformed, NotFound, NotSignedIn
from backend.identity.people import SignedIn
from backend.keys import Keys
from backend.store import board, positions
from backend.store import inbox as inbox_store
from backend.store.database import Database, Tx, moment
from web.alerts import alerts
from web.console.follow_ups import finish_task
from web.console.forms import read_form, shaped
from web.console.inbox import ResolveIn, find_item, resolve_item, tasks_of
from web.console.paper import SAID, Html, go, paint
from web.console.sketch import draw
from web.console.way_in import PlainRequest, may_change, reader_of, reading, way_in
from web.paging import PAGE, page, read_id_cursor
from web.paths import the_id

# An older fix says nothing of where the van is.
VAN_SHOWN_FOR = timedelta(hours=1)


class DayController(Controller):
    """The console's pages."""

    include_in_schema = False

    @get("/", opt={"public": True})
    async def day(
        self,
        request: PlainRequest,
        db: NamedDependency[Database],
        date: FromQuery[str | None] = None,
        said: FromQuery[str] = "",
    ) -> Html:
        """Show a day's routes; to a stranger, the way in."""
        try:
            person = await reading(request, db)
        except NotSignedIn:
            return way_in(said=SAID.get(said, ""))
        async with db.snapshot() as tx:
            reader = await reader_of(tx, request, person)
            days = await board.days(tx, person.scope)
            shown = _day(date) or await _present(tx, person, days)
            routes = await board.routes(tx, person.scope, shown)
            wrong = await alerts(tx, person)
        near = sorted({*days[:6], shown}, reverse=True)
        return paint(
            "day.html",
            reader,
            said=SAID.get(said, ""),
            here="day",
            date=shown,
            days=near,
            unused=not days,
            routes=routes,
            sums=_sums(routes),
            alerts=wrong,
        )

    @get("/routes/{route_id:str}")
    async def route(
        self, request: PlainRequest, route_id: FromPath[str], db: NamedDependency[Database]
    ) -> Html:
        """Show a route with its stops and a sketch."""
        person, known = await reading(request, db), the_id(route_id)
        async with db.snapshot() as tx:
            route = await _route(tx, person, known)
            stops = await board.stops(tx, known)
            fix = await positions.on_route(tx, known, moment(tx) - VAN_SHOWN_FOR)
            reader = await reader_of(tx, request, person)
        sketch = draw(stops, None if fix is None else (fix.lat, fix.lon))
        return paint("route.html", reader, route=route, stops=stops, fix=fix, sketch=sketch)

    @get("/inbox")
    async def inbox(
        self,
        request: PlainRequest,
        db: NamedDependency[Database],
        wanted: Annotated[str, QueryParameter(name="state")] = "open",
        after: FromQuery[str | None] = None,
        said: FromQuery[str] = "",
    ) -> Html:
        """Show what needs a person."""
        person = await reading(request, db)
        state = "resolved" if wanted == "resolved" else "open"
        since = read_id_cursor(after)
        async with db.snapshot() as tx:
            found = await inbox_store.items(
                tx, state=state, depots=person.scope, after=since, limit=PAGE + 1
            )
            shown, following = page(found, lambda item: (str(item.id),))
            tasks = await tasks_of(tx, shown)
            reader = await reader_of(tx, request, person)
        return paint(
            "inbox.html",
            reader,
            said=SAID.get(said, ""),
            here="inbox",
            items=shown,
            tasks=tasks,
            next=following,
            state=state,
            may_resolve=may_change(person),
        )

    @post("/inbox/{item_id:str}/resolve")
    async def resolve(
        self,
        request: PlainRequest,
        item_id: FromPath[str],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
    ) -> Html:
        """Answer an item."""
        form = await read_form(request, db)
        form.person.must_be(Role.SUPERVISOR)
        item = await find_item(db, form.person, the_id(item_id))
        asked = shaped(
            {"action": form.text("action"), "note": form.text("note") or None}, ResolveIn
        )
        now = await resolve_item(db, keys, form.person, item, asked)
        said = "resolved" if now.action == asked.action else "answered"
        return go(f"/console/inbox?said={said}")

    @post("/follow-ups/{task_id:str}/done")
    async def done(
        self, request: PlainRequest, task_id: FromPath[str], db: NamedDependency[Database]
    ) -> Html:
        """Say that what must follow is done; the item about it stays where it is."""
        form = await read_form(request, db)
        form.person.must_be(Role.SUPERVISOR)
        await finish_task(db, form.person, the_id(task_id))
        state = "resolved" if form.text("state") == "resolved" else "open"
        return go(f"/console/inbox?state={state}&said=done")


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Malformed("not a date") from error


async def _present(tx: Tx, person: SignedIn, days: list[date]) -> date:
    """Return today, or the last day that has routes where today has none."""
    today = await board.today(tx, person.scope, moment(tx))
    return today if today in days or not days else days[0]


def _sums(routes: list[board.RouteRow]) -> dict[str, int]:
    names = ("stops", "delivered", "failed", "left", "proofs_missing", "late")
    return {name: sum(getattr(route, name) for route in routes) for name in names}


async def _route(tx: Tx, person: SignedIn, route_id: UUID) -> board.RouteRow:
    depot_id = await board.depot_of_route(tx, route_id)
    route = await board.route(tx, route_id)
    if route is None:
        raise NotFound
    person.must_see(depot_id)
    return route
