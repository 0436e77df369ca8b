"""A release makes a plan binding, once; the day's end takes routes off the manifests."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.dispatch.release import PlanNotDone, PlanReplaced, close_day, release_plan
from backend.domain.people import SYSTEM
from backend.errors import NotFound
from backend.ids import new_id
from backend.store import feed
from backend.store.database import Database
from backend.tables.consignments import Consignment
from backend.tables.inbox import InboxItem
from backend.tables.installation import Outbox
from backend.tables.plans import Route
from backend.tables.stops import RouteAssignment, Stop, StopAssignment
from tests.fixtures.clock import FakeClock
from tests.fixtures.plans import a_plan

pytestmark = pytest.mark.anyio


async def test_a_release_puts_route_and_stops_on_the_manifest(db: Database) -> None:
    """Routes, stops and consignments are released and known as this driver's."""
    made = await a_plan(db)
    async with db.begin() as tx:
        done = await release_plan(tx, SYSTEM, made.plan)
    assert (done.routes, done.stops) == (1, 2)
    async with db.snapshot() as tx:
        route = await tx.get_one(Route, made.route)
        assert (route.state, route.manifest_driver_id) == ("released", made.ground.driver)
        assert route.released_at is not None
        for name in ("premium", "standard"):
            stop = await tx.get_one(Stop, made.stops[name])
            goods = await tx.get_one(Consignment, made.consignments[name])
            assert (stop.state, stop.manifest_driver_id) == ("released", made.ground.driver)
            assert goods.state == "released"
            assert await tx.get(StopAssignment, (stop.id, made.ground.driver)) is not None
        assert await tx.get(RouteAssignment, (made.route, made.ground.driver)) is not None
        told, _ = await feed.present(tx, feed.driver_scope(made.ground.driver), limit=99)
    assert ("route", str(made.route)) in {(each.type, each.entity_id) for each in told}


async def test_only_segments_that_ask_get_a_door(db: Database) -> None:
    """A premium stop gets its first code and token, a standard one none."""
    made = await a_plan(db)
    async with db.begin() as tx:
        await release_plan(tx, SYSTEM, made.plan)
    async with db.snapshot() as tx:
        premium = await tx.get_one(Stop, made.stops["premium"])
        standard = await tx.get_one(Stop, made.stops["standard"])
    assert premium.door_issue == 1
    assert premium.door_expires_at is not None
    assert standard.door_issue == 0


async def test_releasing_twice_is_harmless(db: Database) -> None:
    """The second release changes no row."""
    made = await a_plan(db)
    async with db.begin() as tx:
        await release_plan(tx, SYSTEM, made.plan)
    async with db.begin() as tx:
        again = await release_plan(tx, SYSTEM, made.plan)
    assert (again.routes, again.stops) == (0, 0)
    async with db.snapshot() as tx:
        assert (await tx.get_one(Stop, made.stops["premium"])).version == 2


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
async def test_only_a_plan_that_is_done_is_released(db: Database, state: str) -> None:
    """Queued, running and failed plans are refused."""
    made = await a_plan(db, state=state)
    with pytest.raises(PlanNotDone):
        async with db.begin() as tx:
            await release_plan(tx, SYSTEM, made.plan)


async def test_a_superseded_plan_is_not_released(db: Database) -> None:
    """A later plan took its place."""
    made = await a_plan(db, superseded=True)
    with pytest.raises(PlanReplaced):
        async with db.begin() as tx:
            await release_plan(tx, SYSTEM, made.plan)


async def test_an_unknown_plan_is_not_found(db: Database) -> None:
    """Nobody has it."""
    with pytest.raises(NotFound):
        async with db.begin() as tx:
            await release_plan(tx, SYSTEM, new_id())


async def test_what_met_its_fate_meanwhile_is_not_sent_out(db: Database) -> None:
    """A consignment cancelled since the plan was made has its visit cancelled, not released."""
    made = await a_plan(db)
    gone = made.consignments["standard"]
    async with db.begin() as tx:
        change = {"state": "cancelled"}
        await record(tx, SYSTEM, Event("consignment.cancelled", Consignment, gone, change))
    async with db.begin() as tx:
        assert (await release_plan(tx, SYSTEM, made.plan)).stops == 1
    async with db.snapshot() as tx:
        assert (await tx.get_one(Stop, made.stops["standard"])).state == "cancelled"
        assert (await tx.get_one(Consignment, gone)).state == "cancelled"


async def test_the_outbox_names_no_address(db: Database) -> None:
    """Who is told, and how, is looked up when it is sent."""
    made = await a_plan(db, "business")
    async with db.begin() as tx:
        goods = await tx.get_one(Consignment, made.consignments["business"])
        assert goods.recipient_email is None
        await release_plan(tx, SYSTEM, made.plan)
    async with db.snapshot() as tx:
        left = list(await tx.scalars(select(Outbox)))
    assert all(row.address is None and "Poe" not in row.payload for row in left)


async def test_a_past_day_leaves_the_manifests_and_asks_about_what_is_open(
    db: Database, clock: FakeClock
) -> None:
    """The stop keeps its state, for its phone may still speak; a person is asked once."""
    made = await a_plan(db)
    async with db.begin() as tx:
        await release_plan(tx, SYSTEM, made.plan)
        assert await close_day(tx) == 0
    clock.advance(days=1)
    async with db.begin() as tx:
        assert await close_day(tx) > 0
    async with db.begin() as tx:
        assert await close_day(tx) == 0
    async with db.snapshot() as tx:
        stop = await tx.get_one(Stop, made.stops["premium"])
        assert (stop.state, stop.manifest_driver_id) == ("released", None)
        subject = f"unfinished:{made.route}"
        asked = select(InboxItem).where(col(InboxItem.subject) == subject)
        assert len(list(await tx.scalars(asked))) == 1
        told, _ = await feed.present(tx, feed.driver_scope(made.ground.driver), limit=99)
    assert not [each for each in told if each.type in {"stop", "route"}]
