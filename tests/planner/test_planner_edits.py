"""A dispatcher's edits where two of them meet."""

import asyncio

import pytest

from backend.domain.people import SYSTEM
from backend.store.database import Database
from planner import edits
from tests.fixtures.visits import a_round
from tests.fixtures.waiting import until_somebody_waits

pytestmark = pytest.mark.anyio


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
