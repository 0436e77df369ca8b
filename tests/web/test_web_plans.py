"""Plans and routes over HTTP: ask, look, release, rearrange; and what out of scope looks like."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest
from anyio import to_thread
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.dispatch import segments
from backend.domain.people import SYSTEM, Role
from backend.identity import people
from backend.ids import new_id
from backend.store import fleet
from backend.store.database import Database
from backend.tables.fleet import Shift
from backend.tables.plans import Route
from backend.tables.stops import Stop
from planner import edits
from planner.service import make_next_plan
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.waiting import until_somebody_waits
from tests.planner.rows import DAY, Base, base, consignment, make

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
Client = AsyncTestClient[Litestar]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """A depot with two crews and six consignments, and its supervisor's session."""

    db: Database
    client: Client
    base: Base
    code: str
    headers: dict[str, str]

    async def post(self, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Post as the supervisor."""
        reply = await self.client.post(f"/console/v1{path}", json=body, headers=self.headers)
        return reply.status_code, reply.json()

    async def get(self, path: str) -> tuple[int, Json]:
        """Get as the supervisor."""
        reply = await self.client.get(f"/console/v1{path}", headers=self.headers)
        return reply.status_code, reply.json()

    async def plan(self) -> UUID:
        """Ask for a plan and make it, as the jobs process does."""
        status, body = await self.post(
            "/plans", {"depot": self.code, "date": DAY.isoformat(), "time_limit_s": 0.2}
        )
        assert status == 202
        assert await make_next_plan(self.db, only=UUID(body["plan_id"])) is not None
        return UUID(body["plan_id"])

    async def routes(self) -> list[Json]:
        """List the depot's routes of the day."""
        status, body = await self.get(f"/routes?date={DAY}&depot={self.code}")
        assert (status, body["next"]) == (200, None)
        return list(body["items"])


async def sign_in(db: Database, role: Role, depots: list[str]) -> dict[str, str]:
    """Add a person and return the headers of his session."""
    email = f"{secrets.token_hex(6)}@depot.example"
    async with db.begin() as tx:
        await people.add_person(tx, email, role, depots, PASSWORD)
    opened = await people.sign_in(db, email, PASSWORD, "test")
    return {"Authorization": f"Bearer {opened.token}"}


@pytest.fixture
async def client(pg_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Client]:
    """The application, called within this process."""
    async with calling(settings_for(pg_url, tmp_path), clock) as opened:
        yield opened


@pytest.fixture
async def scene(db: Database, client: Client) -> Scene:
    """A depot ready to be planned."""
    async with db.begin() as tx:
        await segments.seed(tx, segments.first_versions())
    made = await base(db)
    async with db.begin() as tx:
        for number in range(6):
            reference = f"{secrets.token_hex(4)}-{number}"
            await consignment(tx, made.depot, reference, north_m=1000 * (number + 1))
        code = (await fleet.depot_codes(tx))[made.depot]
    return Scene(db, client, made, code, await sign_in(db, Role.SUPERVISOR, [code]))


async def test_a_plan_is_asked_for_looked_at_and_released(scene: Scene) -> None:
    """The answers have the contract's members; releasing again changes nothing."""
    async with scene.db.begin() as tx:
        await consignment(tx, scene.base.depot, "lost", north_m=None, state="needs_attention")
    status, body = await scene.post("/plans", {"depot": scene.code, "date": DAY.isoformat()})
    assert status == 202
    status, queued = await scene.get(f"/plans/{body['plan_id']}")
    assert (status, queued["state"], queued["routes"]) == (200, "queued", 0)
    await make_next_plan(scene.db, only=UUID(body["plan_id"]))
    _, done = await scene.get(f"/plans/{body['plan_id']}")
    assert (done["state"], done["progress"], done["assigned"]) == ("done", 1.0, 6)
    assert (done["engine"], done["routes"]) == ("ortools", 1)
    assert done["cost"] > 0
    [left] = done["unassigned"]
    assert (left["reference"], left["reason"]) == ("lost", "no_location")
    status, out = await scene.post(f"/plans/{body['plan_id']}/release")
    assert (status, out["routes"], out["stops"]) == (200, 1, 6)
    status, again = await scene.post(f"/plans/{body['plan_id']}/release")
    assert (status, again["routes"], again["released_at"]) == (200, 0, out["released_at"])
    [route] = await scene.routes()
    assert route["state"] == "released"
    assert {stop["state"] for stop in route["stops"]} == {"released"}


async def test_a_route_item_has_the_contracts_members(scene: Scene) -> None:
    """Stops come in order, each with its window, and none is late before the day."""
    await scene.plan()
    [route] = await scene.routes()
    assert {"id", "depot", "date", "state", "driver_id", "vehicle_id", "stops"} <= route.keys()
    assert (route["depot"], route["date"], route["state"]) == (
        scene.code,
        DAY.isoformat(),
        "planned",
    )
    assert [stop["sequence"] for stop in route["stops"]] == [1, 2, 3, 4, 5, 6]
    for stop in route["stops"]:
        assert stop["window"]["start"] <= stop["eta"] <= stop["window"]["end"]
        assert (stop["lateness_s"], stop["proof"], len(stop["consignment_ids"])) == (0, "none", 1)
    assert (await scene.get(f"/routes/{route['id']}"))[1] == route


async def test_a_late_stop_says_by_how_much(scene: Scene, clock: FakeClock) -> None:
    """An open stop whose window is over is late from then on."""
    await scene.plan()
    clock.advance(days=3)
    headers = await sign_in(scene.db, Role.COMPLIANCE, [])
    reply = await scene.client.get(f"/console/v1/routes?depot={scene.code}", headers=headers)
    [route] = reply.json()["items"]
    assert all(stop["lateness_s"] > 86_400 for stop in route["stops"])


async def test_a_new_order_is_kept_by_the_next_plan(scene: Scene) -> None:
    """Resequenced stops keep their order against the shorter way; the old route is gone."""
    await scene.plan()
    [route] = await scene.routes()
    wished = [stop["id"] for stop in route["stops"]][::2] + [stop["id"] for stop in route["stops"]][
        1::2
    ]
    status, changed = await scene.post(f"/routes/{route['id']}/resequence", {"stop_ids": wished})
    assert status == 200
    assert [stop["id"] for stop in changed["stops"]] == wished
    assert [stop["sequence"] for stop in changed["stops"]] == [1, 2, 3, 4, 5, 6]
    etas = [stop["eta"] for stop in changed["stops"]]
    assert etas == sorted(etas)
    await scene.plan()
    [later] = await scene.routes()
    assert later["id"] != route["id"]
    assert [stop["consignment_ids"] for stop in later["stops"]] == [
        stop["consignment_ids"] for stop in changed["stops"]
    ]


async def test_an_order_may_name_stops_that_are_done(scene: Scene) -> None:
    """Who sends the whole route, cancelled stops and all, orders those that are open."""
    plan_id = await scene.plan()
    await scene.post(f"/plans/{plan_id}/release")
    [route] = await scene.routes()
    ids = [stop["id"] for stop in route["stops"]]
    cancel = {
        "to": "cancelled", "reason": "customer_cancelled", "note": "called this morning",
        "idempotency_key": "a",
    }  # fmt: skip
    assert (await scene.post(f"/stops/{ids[0]}/override", cancel))[0] == 200
    status, body = await scene.post(f"/routes/{route['id']}/resequence", {"stop_ids": ids[::-1]})
    assert status == 200
    states = {stop["id"]: stop["state"] for stop in body["stops"]}
    assert [i for i, state in states.items() if state == "released"] == ids[:0:-1]


async def test_a_visit_that_gave_way_is_not_shown(scene: Scene) -> None:
    """A consignment lists the stops that routes show, not those of superseded plans."""
    await scene.plan()
    await scene.plan()
    [route] = await scene.routes()
    shown = {stop["consignment_ids"][0]: [stop["id"]] for stop in route["stops"]}
    _, listed = await scene.get("/consignments?reference=&state=planned&date=&after=")
    assert {item["id"]: item["stops"] for item in listed["items"]} == shown


async def test_a_partial_order_is_refused(scene: Scene) -> None:
    """An order that forgets, repeats or invents a stop changes nothing."""
    await scene.plan()
    [route] = await scene.routes()
    ids = [stop["id"] for stop in route["stops"]]
    for wrong in (ids[1:], [*ids, ids[0]], [*ids, str(new_id())]):
        status, body = await scene.post(f"/routes/{route['id']}/resequence", {"stop_ids": wrong})
        assert (status, body["code"]) == (400, "sequence_invalid")
    assert await scene.routes() == [route]


async def test_a_stop_moves_to_another_route_and_stays_there(scene: Scene) -> None:
    """Moved after release, it leaves one driver's manifest for the other's and is pinned."""
    plan_id = await scene.plan()
    [route] = await scene.routes()
    other = await empty_route(scene, plan_id, UUID(route["shift_id"]))
    await scene.post(f"/plans/{plan_id}/release")
    stop = route["stops"][2]
    status, target = await scene.post(
        f"/stops/{stop['id']}/reassign", {"route_id": str(other), "position": 1}
    )
    assert status == 200
    [moved] = target["stops"]
    assert (moved["id"], moved["pinned"], moved["sequence"]) == (stop["id"], True, 1)
    assert moved["version"] > stop["version"]
    status, left = await scene.get(f"/routes/{route['id']}")
    assert stop["id"] not in [each["id"] for each in left["stops"]]
    status, back = await scene.post(f"/stops/{stop['id']}/reassign", {"route_id": route["id"]})
    assert status == 200
    assert [each["id"] for each in back["stops"]] == [each["id"] for each in route["stops"]]
    async with scene.db.snapshot() as tx:
        row = await tx.get_one(Stop, UUID(stop["id"]))
        assert str(row.manifest_driver_id) == route["driver_id"]


async def empty_route(scene: Scene, plan_id: UUID, busy: UUID) -> UUID:
    """Add a route without stops for the idle crew to a plan."""
    idle = next(shift for shift in scene.base.shifts if shift != busy)
    async with scene.db.begin() as tx:
        shift = await tx.get_one(Shift, idle)
        return await make(
            tx,
            Route,
            plan_id=plan_id,
            depot_id=scene.base.depot,
            date=DAY,
            state="planned",
            driver_id=shift.driver_id,
            vehicle_id=shift.vehicle_id,
            shift_id=idle,
        )


async def test_a_planned_stop_does_not_slip_onto_a_released_route(scene: Scene) -> None:
    """Only a release makes a stop binding; mixing the two is refused."""
    plan_id = await scene.plan()
    [out] = await scene.routes()
    await scene.post(f"/plans/{plan_id}/release")
    async with scene.db.begin() as tx:
        await consignment(tx, scene.base.depot, secrets.token_hex(4), north_m=700)
    await scene.plan()
    later = next(route for route in await scene.routes() if route["id"] != out["id"])
    stop = later["stops"][0]["id"]
    status, body = await scene.post(f"/stops/{stop}/reassign", {"route_id": out["id"]})
    assert (status, body["code"]) == (409, "route_not_fitting")


async def test_pinning_twice_is_harmless_and_can_be_undone(scene: Scene) -> None:
    """A pin needs no body; it adds one version, once."""
    await scene.plan()
    [route] = await scene.routes()
    stop = route["stops"][0]
    reply = await scene.client.post(f"/console/v1/stops/{stop['id']}/pin", headers=scene.headers)
    pinned = reply.json()
    assert (reply.status_code, pinned["pinned"], pinned["version"]) == (200, True, 2)
    assert (await scene.post(f"/stops/{stop['id']}/pin"))[1]["version"] == 2
    assert not (await scene.post(f"/stops/{stop['id']}/pin", {"pinned": False}))[1]["pinned"]


async def test_a_stop_that_moves_meanwhile_is_let_go_where_it_went(scene: Scene) -> None:
    """Who lets go waits for whoever moves it, and is shown the stop on its new route."""
    plan_id = await scene.plan()
    [route] = await scene.routes()
    other = await empty_route(scene, plan_id, UUID(route["shift_id"]))
    stop = route["stops"][1]
    async with scene.db.begin() as tx:
        await edits.reassign(tx, SYSTEM, UUID(stop["id"]), other)
        await tx.flush()
        # The client within this process holds its thread until it is answered.
        path, body = f"/stops/{stop['id']}/pin", {"pinned": False}
        letting_go = asyncio.create_task(to_thread.run_sync(anyio.run, scene.post, path, body))
        await until_somebody_waits(scene.db)
    status, shown = await letting_go
    assert (status, shown["id"], shown["pinned"], shown["sequence"]) == (200, stop["id"], False, 1)


async def test_out_of_scope_is_not_there(scene: Scene, db: Database) -> None:
    """Another depot's supervisor sees none of it; compliance sees and changes nothing."""
    plan_id = await scene.plan()
    [route] = await scene.routes()
    stop = route["stops"][0]["id"]
    elsewhere = await base(db)
    async with db.snapshot() as tx:
        code = (await fleet.depot_codes(tx))[elsewhere.depot]
    stranger = await sign_in(db, Role.SUPERVISOR, [code])
    reader = await sign_in(db, Role.COMPLIANCE, [])
    posts: list[tuple[str, Json]] = [
        ("/plans", {"depot": scene.code, "date": DAY.isoformat()}),
        (f"/plans/{plan_id}/release", {}),
        (f"/routes/{route['id']}/resequence", {"stop_ids": []}),
        (f"/stops/{stop}/reassign", {"route_id": route["id"]}),
        (f"/stops/{stop}/pin", {}),
    ]
    for path, body in posts:
        for headers, status in ((stranger, 404), (reader, 403)):
            reply = await scene.client.post(f"/console/v1{path}", json=body, headers=headers)
            assert reply.status_code == status, path
    for path in (f"/plans/{plan_id}", f"/routes/{route['id']}", "/plans/x", "/routes/x"):
        reply = await scene.client.get(f"/console/v1{path}", headers=stranger)
        assert reply.status_code == 404, path
    reply = await scene.client.get(f"/console/v1/routes?depot={scene.code}", headers=stranger)
    assert reply.json()["items"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"depot": 1},
        {"date": None},
        {"date": "24.11.2026"},
        {"date": "2026-02-30"},
        {"time_limit_s": 0},
        {"time_limit_s": "soon"},
    ],
)
async def test_what_is_no_question_is_refused(scene: Scene, wrong: Json) -> None:
    """Wrong depots, days and limits are 400 with a pointer."""
    good = {"depot": scene.code, "date": DAY.isoformat()}
    status, problem = await scene.post("/plans", good | wrong)
    assert (status, problem["code"]) == (400, "input_invalid")
    assert problem["errors"][0]["pointer"] == f"/{next(iter(wrong))}"
