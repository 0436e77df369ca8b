"""What boards show already is on them after an upgrade, and again after going back and forth."""

from datetime import UTC, datetime

import anyio.to_thread
import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.cli import schema
from backend.store import depots, feed
from backend.store.database import Database
from backend.tables.scopes import Feed
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

BEFORE = "202611201130"


async def on_board(url: str, clock: FakeClock, made: Round) -> set[str]:
    """What a depot's board shows once it is numbered."""
    db = Database(url, clock=clock)
    async with db.begin() as tx:
        await depots.number(tx, made.depot)
    query = select(col(Feed.entity_id)).where(
        col(Feed.scope) == feed.depot_scope(made.depot), col(Feed.v).is_not(None)
    )
    async with db.snapshot() as tx:
        found = set(await tx.scalars(query))
    await db.close()
    return found


async def test_boards_survive_a_step_back(
    fresh_pg_url: str, fresh_db: Database, clock: FakeClock
) -> None:
    """Routes and stops of the last fortnight are on the board again, and nothing older."""
    clock.set(datetime.now(UTC))
    made = await a_round(fresh_db, "standard", "premium")
    clock.advance(days=-30)
    old = await a_round(fresh_db, "economy")
    shown = await on_board(fresh_pg_url, clock, made)
    assert shown == {str(id_) for id_ in (made.route, *made.stops.values())}
    await fresh_db.close()
    await anyio.to_thread.run_sync(schema.downgrade, fresh_pg_url, BEFORE)
    await anyio.to_thread.run_sync(schema.upgrade, fresh_pg_url)
    assert await on_board(fresh_pg_url, clock, made) == shown
    assert await on_board(fresh_pg_url, clock, old) == set()
