"""The timetable numbers the boards, however many timetables there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from backend.jobs import run
from backend.store import feed
from backend.store.database import Database
from backend.tables.scopes import Feed
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import settings_for
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def timetables(url: str, folder: Path, clock: FakeClock) -> AsyncIterator[None]:
    """Run two timetables side by side."""
    settings = settings_for(url, folder)
    tasks = [asyncio.create_task(run(settings, clock=clock)) for _ in range(2)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def all_numbered(db: Database) -> None:
    """Return when nothing waits for a number."""
    waiting = select(func.count()).select_from(Feed).where(col(Feed.v).is_(None))
    async with asyncio.timeout(60):
        while True:
            async with db.snapshot() as tx:
                if not await tx.scalar(waiting):
                    return
            await asyncio.sleep(0.05)


async def test_two_timetables_number_each_change_once(
    fresh_db: Database, fresh_pg_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """Nothing waits for long, and the counter rose by what was numbered and no more."""
    made = await a_round(fresh_db)
    scope = feed.depot_scope(made.depot)
    async with timetables(fresh_pg_url, tmp_path, clock):
        for stop in made.stops.values():
            async with fresh_db.begin() as tx:
                feed.touch(tx, scope, "stop", str(stop))
        await all_numbered(fresh_db)
    numbers = select(col(Feed.v)).where(col(Feed.scope) == scope)
    async with fresh_db.snapshot() as tx:
        found = list(await tx.scalars(numbers))
        assert (len(found), max(v or 0 for v in found)) == (5, await feed.version(tx, scope))
