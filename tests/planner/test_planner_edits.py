"""A dispatcher's edits where two of them meet."""

import asyncio

import pytest
from sqlalchemy import text

from backend.domain.people import SYSTEM
from backend.store.database import Database
from planner import edits
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio

WAITS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
    "datname = current_database()"
)


async def until_somebody_waits(db: Database) -> None:
    """Return when a transaction of this database waits for a lock."""
    async with asyncio.timeout(20):
        while True:
            async with db.snapshot() as tx:
                if await tx.scalar(WAITS):
                    return


async def test_a_stop_that_moved_meanwhile_is_said_so(db: Database) -> None:
    """Who looked before another moved the stop hears that it moved, not that it never was."""
    here = await a_round(db, "standard")
    there, elsewhere = [await a_round(db, "economy", depot=here.depot) for _ in range(2)]
    stop = here.stops["standard"]

    async def late() -> None:
        async with db.begin() as tx:
            await edits.reassign(tx, SYSTEM, stop, elsewhere.route)

    async with db.begin() as tx:
        await edits.reassign(tx, SYSTEM, stop, there.route)
        await tx.flush()
        other = asyncio.create_task(late())
        await until_somebody_waits(db)
    with pytest.raises(edits.RouteNotFitting, match="moved"):
        await other
