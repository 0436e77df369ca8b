"""Segments over HTTP: who may change them, what is refused, what a policy would have done."""

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM, Role
from backend.keys import load_keys
from backend.store.database import Database, moment
from backend.tables.audit import AuditEntry
from backend.tables.plans import Route
from backend.tables.scopes import Feed
from backend.tables.stops import Stop
from pod.door import customers_code
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import a_person
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio
API = "/console/v1"


@dataclass
class Room:
    """The control room over HTTP, with people of each role."""

    client: AsyncTestClient[Litestar]
    db: Database
    made: Round
    headers: dict[str, dict[str, str]]

    async def call(
        self, method: str, path: str, body: object = None, *, by: str = "supervisor"
    ) -> httpx.Response:
        """Call as one of the people."""
        return await self.client.request(
            method, f"{API}{path}", json=body, headers=self.headers[by]
        )

    async def policy(self, code: str) -> dict[str, Any]:
        """Return a segment's present policy."""
        items = (await self.call("GET", "/segments")).json()["items"]
        policy: dict[str, Any] = next(item["policy"] for item in items if item["code"] == code)
        return policy


@pytest.fixture
async def room(
    fresh_pg_url: str, fresh_db: Database, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Room]:
    """A control room with one route, a supervisor of its depot, and others."""
    settings = settings_for(fresh_pg_url, tmp_path)
    made = await a_round(fresh_db, keys=load_keys(settings.data, log_name=settings.log_name))
    async with calling(settings, clock) as client:
        crew = {"supervisor": [made.depot], "compliance": [], "admin": []}
        headers = {
            name: (await a_person(fresh_db, client, Role(name), *depots)).headers
            for name, depots in crew.items()
        }
        yield Room(client, fresh_db, made, headers)


async def test_the_four_are_listed(room: Room) -> None:
    """Everybody who is signed in sees the four segments at version 1."""
    for by in room.headers:
        items = (await room.call("GET", "/segments", by=by)).json()["items"]
        listed = [(item["code"], item["version"]) for item in items]
        assert listed == [("business", 1), ("economy", 1), ("premium", 1), ("standard", 1)]
    assert (await room.client.get(f"{API}/segments")).status_code == 401


async def test_a_change_is_a_new_version_and_an_entry(room: Room) -> None:
    """What was changed is the next version, in the log; compliance may not change anything."""
    policy = await room.policy("economy")
    policy["geofence_m"] = 300
    assert (await room.call("PUT", "/segments/economy", policy, by="compliance")).status_code == 403
    answer = await room.call("PUT", "/segments/economy", policy)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert await room.policy("economy") == policy
    async with room.db.snapshot() as tx:
        actions = select(col(AuditEntry.action), col(AuditEntry.actor_type)).where(
            col(AuditEntry.entity) == "segment", col(AuditEntry.n) == 2
        )
        assert [tuple(row) for row in await tx.execute(actions)] == [("segment.changed", "person")]


async def test_faults_are_pointed_at(room: Room) -> None:
    """Unknown members, bounds and missing members are all told, and nothing is changed."""
    policy = copy.deepcopy(await room.policy("premium"))
    policy["surprise"], policy["priority"] = 1, 101
    policy["proof"][0]["require"][0]["level"] = "must"
    del policy["undo_s"]
    answer = await room.call("PUT", "/segments/premium", policy)
    assert (answer.status_code, answer.json()["code"]) == (400, "policy_invalid")
    told = {error["pointer"]: error["code"] for error in answer.json()["errors"]}
    assert told == {
        "/surprise": "unknown_member",
        "/priority": "range",
        "/proof/0/require/0/level": "choice",
        "/undo_s": "missing",
    }
    assert (await room.call("PUT", "/segments/premium", [])).status_code == 400
    assert (await room.call("PUT", "/segments/gold", await room.policy("premium"))).json()[
        "code"
    ] == "segment_not_found"


async def test_a_policy_is_tried_on_the_past(room: Room) -> None:
    """A rule that wants a photo would have refused the delivery that had none."""
    async with room.db.begin() as tx:
        change = {"state": "delivered", "method": "handed_over", "closed_at": moment(tx)}
        stop = room.made.stops["business"]
        await record(tx, SYSTEM, Event("stop.overridden", Stop, stop, change))
    policy = await room.policy("economy")
    body = {"policy": policy, "from": "2026-11-23", "to": "2026-11-24T00:00:00Z"}
    answer = await room.call("POST", "/segments/business/simulate", body)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["judged"], told["refused"], told["complete"]) == (1, 1, True)
    assert told["findings"] == {"photo_missing": 1}
    (sample,) = told["samples"]
    assert (sample["stop_id"], sample["state"]) == (str(room.made.stops["business"]), "delivered")
    none = {**body, "from": "2026-11-24T00:00:00Z"}
    assert (await room.call("POST", "/segments/business/simulate", none)).json()["judged"] == 0
    for spoilt, pointer in (({"from": "soon"}, "/from"), ({"policy": {}}, "/policy/label")):
        answer = await room.call("POST", "/segments/business/simulate", {**body, **spoilt})
        assert answer.status_code == 400
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_a_new_code_kills_the_old_one(room: Room) -> None:
    """204, another code on the customer's page, and the phone is told of another commitment."""
    stop = room.made.stops["premium"]
    scope = f"driver:{room.made.driver}"
    async with room.db.snapshot() as tx:
        before = await tx.get(Feed, (scope, "stop", str(stop)))
    answer = await room.call("POST", f"/stops/{stop}/code")
    assert (answer.status_code, answer.content) == (204, b"")
    async with room.db.begin() as tx:
        change = {"state": "started", "started_at": moment(tx)}
        await record(tx, SYSTEM, Event("route.started", Route, room.made.route, change))
    page = f"/t/{room.made.token('premium')}"
    shown = (await room.client.get(page, headers={"Accept": "application/json"})).json()
    assert (shown["code"], shown["door"]) == customers_code(room.made.keys, stop, 2)
    async with room.db.snapshot() as tx:
        after = await tx.get(Feed, (scope, "stop", str(stop)))
    assert before is not None
    assert after is not None
    assert (after.v or 0) > (before.v or 0)


async def test_no_code_for_strangers_or_closed_stops(room: Room) -> None:
    """Unknown, malformed and foreign stops are 404, a closed one 409, compliance 403."""
    other = await a_round(room.db)
    for stop in (other.stops["premium"], other.depot, "x"):
        assert (await room.call("POST", f"/stops/{stop}/code")).status_code == 404
    mine = room.made.stops["premium"]
    assert (await room.call("POST", f"/stops/{mine}/code", by="compliance")).status_code == 403
    async with room.db.begin() as tx:
        change = {"state": "cancelled"}
        await record(tx, SYSTEM, Event("stop.cancelled", Stop, mine, change))
    answer = await room.call("POST", f"/stops/{mine}/code")
    assert (answer.status_code, answer.json()["code"]) == (409, "stop_already_closed")
