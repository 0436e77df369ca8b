"""The timetable: one leads, two never do a thing twice, nights come once, and it ends at once."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from backend.jobs import LEASE, Leadership, NotLeading, run
from backend.settings import Settings, load
from backend.store.database import Database
from backend.tables.audit import AuditPending
from backend.tables.plans import Plan
from backend.tables.stops import Stop
from planner.nightly import night_for, queue_nightly
from planner.service import queue_plan
from tests.fixtures.clock import FakeClock
from tests.planner.rows import DAY, base, consignment, segment

pytestmark = pytest.mark.anyio
BALTIMORE = ZoneInfo("America/New_York")


@pytest.fixture
def settings(tmp_path: Path, fresh_pg_url: str) -> Settings:
    """Settings of an installation on the test's database."""
    return load({"DOORSTEP_DATA": str(tmp_path), "DOORSTEP_DATABASE_URL": fresh_pg_url})


@asynccontextmanager
async def timetables(settings: Settings, clock: FakeClock, number: int) -> AsyncIterator[None]:
    """Run so many timetables side by side."""
    tasks = [asyncio.create_task(run(settings, clock=clock)) for _ in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def count(db: Database, table: type[Plan] | type[Stop] | type[AuditPending]) -> int:
    """Count the rows of a table."""
    async with db.snapshot() as tx:
        return await tx.scalar(select(func.count()).select_from(table)) or 0


async def settled(db: Database, plans: int) -> None:
    """Return when so many plans are made and every entry is sealed."""
    async with asyncio.timeout(60):
        while True:
            async with db.snapshot() as tx:
                made = await tx.scalar(select(func.count()).where(col(Plan.state) == "done"))
            if made == plans and not await count(db, AuditPending):
                return
            await asyncio.sleep(0.05)


async def test_two_timetables_never_double_an_effect(
    fresh_db: Database, settings: Settings, clock: FakeClock
) -> None:
    """The night's plan, a plan on demand and the sealing happen once each, whoever does them."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
    one, two = await base(fresh_db), await base(fresh_db)
    async with fresh_db.begin() as tx:
        for number in range(5):
            await consignment(tx, one.depot, f"N{number}", north_m=1000 + 100 * number)
            await consignment(tx, two.depot, f"D{number}", north_m=1000 + 100 * number)
        await queue_plan(tx, two.depot, DAY, requested_by="test", time_limit_s=1)
    clock.set(dt.datetime(2026, 11, 24, 2, 30, tzinfo=BALTIMORE))
    async with timetables(settings, clock, 2):
        await settled(fresh_db, plans=2)
    assert await count(fresh_db, Plan) == 2
    assert await count(fresh_db, Stop) == 10


async def test_one_leads_until_it_resigns_or_falls_silent(
    fresh_db: Database, clock: FakeClock
) -> None:
    """The lease changes hands on resignation and on expiry; the epoch fences the one before."""
    first, second = Leadership(fresh_db), Leadership(fresh_db)
    await first.renew()
    await second.renew()
    assert (first.leads, second.leads) == (True, False)
    await first.resign()
    await second.renew()
    assert second.leads
    clock.advance(seconds=LEASE.total_seconds() + 1)
    await first.renew()
    assert first.leads
    assert second.leads  # it has not looked yet, and the fence knows better
    async with fresh_db.begin() as tx:
        await first.fence(tx)
        with pytest.raises(NotLeading):
            await second.fence(tx)


async def test_a_night_is_planned_once_and_only_where_somebody_waits(
    fresh_db: Database, clock: FakeClock
) -> None:
    """Ticks before the hour, at it and after it queue one plan; an empty depot gets none."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
    busy, _idle = await base(fresh_db), await base(fresh_db)
    async with fresh_db.begin() as tx:
        await consignment(tx, busy.depot, "A")
    queued = []
    for hour, minute in ((1, 59), (2, 0), (2, 1), (4, 59)):
        clock.set(dt.datetime(2026, 11, 24, hour, minute, tzinfo=BALTIMORE))
        async with fresh_db.begin() as tx:
            queued.append(await queue_nightly(tx, 2))
    assert queued == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("local", "hour", "expected"),
    [
        ("2026-11-24T01:59", 2, None),
        ("2026-11-24T02:00", 2, "2026-11-24"),
        ("2026-11-24T04:59", 2, "2026-11-24"),
        ("2026-11-24T05:00", 2, None),
        ("2026-11-24T22:30", 22, "2026-11-25"),
        ("2026-11-25T00:30", 22, "2026-11-25"),
        ("2026-11-25T01:00", 22, None),
        ("2026-03-08T03:00", 2, "2026-03-08"),
    ],
)
def test_the_hour_is_the_depots_own(local: str, hour: int, expected: str | None) -> None:
    """Local time decides; late hours plan the next day; no night is skipped."""
    now = dt.datetime.fromisoformat(local).replace(tzinfo=BALTIMORE).astimezone(dt.UTC)
    date = night_for(now, BALTIMORE, hour)
    assert date == (expected and dt.date.fromisoformat(expected))


async def test_it_ends_at_once_in_the_middle_of_a_plan(
    fresh_db: Database, settings: Settings, clock: FakeClock
) -> None:
    """Cancelled while an engine searches, it is gone; the plan waits for the next one."""
    async with fresh_db.begin() as tx:
        await segment(tx, "standard")
    depot = await base(fresh_db)
    async with fresh_db.begin() as tx:
        for number in range(60):
            await consignment(tx, depot.depot, f"C{number}", north_m=500 + 40 * number)
        plan_id = await queue_plan(tx, depot.depot, DAY, requested_by="test", time_limit_s=60)
    async with asyncio.timeout(30), timetables(settings, clock, 1):
        running = False
        while not running:
            async with fresh_db.snapshot() as tx:
                running = (await tx.get_one(Plan, plan_id)).progress > 0
            await asyncio.sleep(0.05)
    async with fresh_db.snapshot() as tx:
        assert (await tx.get_one(Plan, plan_id)).state == "running"


async def test_a_timetable_needs_a_database(settings: Settings) -> None:
    """Without one there is nothing to do, and it says so."""
    from dataclasses import replace

    with pytest.raises(ValueError, match="no database"):
        await run(replace(settings, database_url=None))
