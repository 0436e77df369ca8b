"""From a queued plan to routes in the database: who is visited, who is not, and what gives way."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.audit.guard import stand_guard
from backend.audit.record import Event, record
from backend.dispatch.attempts import follow_stop
from backend.dispatch.release import release_plan
from backend.domain.people import SYSTEM
from backend.store.database import Database
from backend.tables.audit import AuditEntry
from backend.tables.consignments import Consignment
from backend.tables.fleet import Shift
from backend.tables.plans import Plan, Route
from backend.tables.stops import Stop
from planner.service import make_next_plan, queue_plan
from tests.fixtures.clock import FakeClock
from tests.planner.rows import DAY, Base, base, consignment, crew, segment

pytestmark = pytest.mark.anyio
stand_guard()


@pytest.fixture
async def depot(fresh_db: Database) -> Base:
    """A depot with two crews and the segments standard and premium."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
        await segment(tx, "premium", priority=90)
    return await base(fresh_db)


async def planned(db: Database, depot: UUID, day: dt.date = DAY) -> Plan:
    """Queue a plan, make it, and return its row."""
    async with db.begin() as tx:
        plan_id = await queue_plan(tx, depot, day, requested_by="test", time_limit_s=0.2)
    assert plan_id is not None
    assert await make_next_plan(db, only=plan_id) == plan_id
    return await row(db, plan_id)


async def row(db: Database, plan_id: UUID) -> Plan:
    """Return a plan's row."""
    async with db.snapshot() as tx:
        return await tx.get_one(Plan, plan_id)


async def stops(db: Database, state: str | None = None) -> Sequence[Stop]:
    """Return the stops, of one state or of all."""
    query = select(Stop).order_by(col(Stop.route_id), col(Stop.sequence))
    async with db.snapshot() as tx:
        found = await tx.scalars(query if state is None else query.where(col(Stop.state) == state))
        return found.all()


async def test_a_day_becomes_routes_and_every_consignment_gets_a_fate(
    fresh_db: Database, depot: Base
) -> None:
    """Two are visited in promised windows, two are left out with their reasons, all in the log."""
    window = (
        dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 24, 17, tzinfo=dt.UTC),
    )
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A", window=window)
        await consignment(tx, depot.depot, "B", code="premium", north_m=3000)
        await consignment(tx, depot.depot, "C", handling=("refrigerated",))
        await consignment(tx, depot.depot, "D", north_m=None, state="needs_attention")
        await consignment(tx, depot.depot, "E", date=DAY + dt.timedelta(days=1))
    plan = await planned(fresh_db, depot.depot)
    assert (plan.state, plan.error, plan.progress) == ("done", None, 1.0)
    assert (plan.routes, plan.assigned, plan.engine) == (1, 2, "ortools")
    reasons = {left["reference"]: left["reason"] for left in plan.unassigned}
    assert reasons == {"C": "skill_missing", "D": "no_location"}
    made = await stops(fresh_db)
    assert [stop.sequence for stop in made] == [1, 2]
    assert all(stop.window_start <= stop.eta <= stop.window_end for stop in made)
    promised = next(stop for stop in made if stop.segment == "standard")
    assert (promised.window_start, promised.window_end) == window
    async with fresh_db.snapshot() as tx:
        query = select(col(Consignment.reference), col(Consignment.state))
        states = {row[0]: row[1] for row in await tx.execute(query)}
        actions = (await tx.scalars(select(col(AuditEntry.action)))).all()
    assert states == {
        "A": "planned", "B": "planned", "C": "ready", "D": "needs_attention", "E": "ready",
    }  # fmt: skip
    assert actions.count("stop.planned") == 2
    assert actions.count("route.planned") == 1
    assert actions.count("consignment.planned") == 2


async def test_an_unreleased_plan_gives_way(fresh_db: Database, depot: Base) -> None:
    """Planning again withdraws the old routes and stops; nobody is visited twice."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
    first = await planned(fresh_db, depot.depot)
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "B", north_m=3000)
    second = await planned(fresh_db, depot.depot)
    assert second.assigned == 2
    assert (await row(fresh_db, first.id)).superseded
    assert len(await stops(fresh_db, "cancelled")) == 1
    assert len(await stops(fresh_db, "planned")) == 2
    async with fresh_db.snapshot() as tx:
        routes = (await tx.execute(select(col(Route.plan_id), col(Route.state)))).all()
    assert {tuple(route) for route in routes} == {(first.id, "superseded"), (second.id, "planned")}


async def test_released_stops_stay_and_their_crew_is_busy(fresh_db: Database, depot: Base) -> None:
    """What drivers have seen is not planned again; a new parcel comes after they are back."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
        for other in depot.shifts[1:]:
            await record(
                tx, SYSTEM, Event("shift.moved", Shift, other, {"date": DAY - dt.timedelta(days=1)})
            )
    await _release(fresh_db, await planned(fresh_db, depot.depot))
    (out,) = await stops(fresh_db, "released")
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "B", north_m=3000)
    again = await planned(fresh_db, depot.depot)
    assert again.assigned == 1
    (still,) = await stops(fresh_db, "released")
    assert still.id == out.id
    (later,) = await stops(fresh_db, "planned")
    assert later.eta >= out.eta + dt.timedelta(seconds=out.service_s)


async def _release(db: Database, plan: Plan) -> None:
    """Put a plan's routes on the road."""
    async with db.begin() as tx:
        await release_plan(tx, SYSTEM, plan.id)


async def _fail(db: Database, stop_id: UUID) -> None:
    """Let a visit fail, with what follows for its consignment."""
    async with db.begin() as tx:
        event = Event("stop.failed", Stop, stop_id, {"state": "failed"})
        stop = await record(tx, SYSTEM, event)
        assert isinstance(stop, Stop)
        await follow_stop(tx, SYSTEM, stop)


async def test_a_failed_visit_is_planned_again_as_the_next_attempt(
    fresh_db: Database, depot: Base
) -> None:
    """The consignment gets a new stop, attempt 2, on the next day; after the last there is none."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
        await crew(tx, depot.depot, date=DAY + dt.timedelta(days=1))
    for attempt, day in ((1, DAY), (2, DAY + dt.timedelta(days=1))):
        plan = await planned(fresh_db, depot.depot, day)
        assert plan.assigned == 1
        (stop,) = await stops(fresh_db, "planned")
        assert stop.attempt == attempt
        await _release(fresh_db, plan)
        await _fail(fresh_db, stop.id)
    last = await planned(fresh_db, depot.depot, DAY + dt.timedelta(days=1))
    assert [left["reason"] for left in last.unassigned] == ["attempts_spent"]


async def test_a_pinned_stop_keeps_its_shift(fresh_db: Database, depot: Base) -> None:
    """What a dispatcher pinned to a crew stays with it, though one crew would do."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
        await consignment(tx, depot.depot, "B", north_m=2100)
    await planned(fresh_db, depot.depot)
    first = (await stops(fresh_db))[0]
    async with fresh_db.begin() as tx:
        route = await tx.get_one(Route, first.route_id)
        other = next(shift for shift in depot.shifts if shift != route.shift_id)
        await record(tx, SYSTEM, Event("route.moved", Route, route.id, {"shift_id": other}))
        await record(tx, SYSTEM, Event("stop.pinned", Stop, first.id, {"pinned": True}))
    await planned(fresh_db, depot.depot)
    kept = next(s for s in await stops(fresh_db, "planned") if s.pinned)
    assert kept.consignment_id == first.consignment_id
    async with fresh_db.snapshot() as tx:
        assert (await tx.get_one(Route, kept.route_id)).shift_id == other


async def test_two_workers_make_one_plan(fresh_db: Database, depot: Base) -> None:
    """Of two that ask at once, one gets the plan and the other nothing."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
        await queue_plan(tx, depot.depot, DAY, requested_by="test", time_limit_s=0.2)
    made = await asyncio.gather(make_next_plan(fresh_db), make_next_plan(fresh_db))
    assert sum(plan_id is not None for plan_id in made) == 1
    assert len(await stops(fresh_db)) == 1


async def test_two_plans_of_one_day_are_made_one_after_the_other(
    fresh_db: Database, depot: Base
) -> None:
    """The second waits for the first, then replaces it."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
        for _ in range(2):
            await queue_plan(tx, depot.depot, DAY, requested_by="test", time_limit_s=0.2)
    made = await asyncio.gather(make_next_plan(fresh_db), make_next_plan(fresh_db))
    assert None in made
    assert await make_next_plan(fresh_db) is not None
    assert len(await stops(fresh_db, "planned")) == 1


async def test_a_plan_whose_worker_died_is_taken_up_again(
    fresh_db: Database, depot: Base, clock: FakeClock
) -> None:
    """Until the lease is over nobody touches it; then another worker makes it."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
        plan_id = await queue_plan(tx, depot.depot, DAY, requested_by="test", time_limit_s=60)
    dying = asyncio.create_task(make_next_plan(fresh_db))
    while (await row(fresh_db, plan_id or UUID(int=0))).state != "running":  # noqa: ASYNC110
        await asyncio.sleep(0)
    dying.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    assert await make_next_plan(fresh_db) is None
    clock.advance(minutes=1)
    assert await make_next_plan(fresh_db) == plan_id
    assert len(await stops(fresh_db)) == 1


async def test_a_failing_engine_fails_its_plan_alone(fresh_db: Database, depot: Base) -> None:
    """The plan says what broke; the old routes stay."""
    async with fresh_db.begin() as tx:
        await consignment(tx, depot.depot, "A")
    await planned(fresh_db, depot.depot)
    async with fresh_db.begin() as tx:
        plan_id = await queue_plan(tx, depot.depot, DAY, requested_by="test", engine="abacus")
    assert plan_id is not None
    await make_next_plan(fresh_db)
    failed = await row(fresh_db, plan_id)
    assert failed.state == "failed"
    assert "abacus" in (failed.error or "")
    assert len(await stops(fresh_db, "planned")) == 1


async def test_a_night_has_one_plan(fresh_db: Database, depot: Base) -> None:
    """Asking twice for the night's plan of one depot and date queues one."""
    async with fresh_db.begin() as tx:
        first = await queue_plan(tx, depot.depot, DAY, requested_by="night", nightly=True)
        second = await queue_plan(tx, depot.depot, DAY, requested_by="night", nightly=True)
    assert first is not None
    assert second is None


async def test_a_day_that_changes_meanwhile_is_planned_again(
    fresh_db: Database, depot: Base
) -> None:
    """What was cancelled during the search is not on the plan, and nobody else is lost."""
    async with fresh_db.begin() as tx:
        for number in range(30):
            await consignment(tx, depot.depot, f"C{number}", north_m=500 + 100 * number)
        gone = await consignment(tx, depot.depot, "gone")
        plan_id = await queue_plan(tx, depot.depot, DAY, requested_by="test", time_limit_s=3)
    assert plan_id is not None
    making = asyncio.create_task(make_next_plan(fresh_db, only=plan_id))
    while (await row(fresh_db, plan_id)).progress == 0:
        assert not making.done()
    async with fresh_db.begin() as tx:
        event = Event("consignment.cancelled", Consignment, gone, {"state": "cancelled"})
        await record(tx, SYSTEM, event)
    await making
    made = await row(fresh_db, plan_id)
    assert (made.state, made.assigned, made.unassigned) == ("done", 30, [])
