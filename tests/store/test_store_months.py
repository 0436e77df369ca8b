"""Months of positions: made ahead, found by late fixes, dropped whole and never early."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from backend.dispatch.months import keep_months
from backend.store import months, positions
from backend.store.database import Database, Tx
from backend.tables.positions import LastFix, Position
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio


async def nobody_asks(_tx: Tx) -> None:
    """A fence that lets everybody pass."""


async def newest(db: Database, driver: UUID) -> LastFix | None:
    """Where a driver was last."""
    async with db.snapshot() as tx:
        return await tx.get(LastFix, driver)


async def test_late_fixes_of_an_old_month_find_their_month(fresh_db: Database) -> None:
    """A late one goes to its own month; one whose month is not made yet waits for it."""
    made, ends = await a_round(fresh_db, "standard"), (await _known(fresh_db))[0].ends
    far = ends.replace(year=ends.year + 1)
    times = (ends - timedelta(days=40), ends - timedelta(days=1), far)
    fixes = [positions.Fix(at, 1, 2, 3, None, mock=False) for at in times]
    async with fresh_db.begin() as tx:
        await positions.keep(tx, made.device, made.driver, fixes)
    async with fresh_db.begin() as tx:
        await months.add(tx, far.date())
    parts = text("SELECT tableoid::regclass::text FROM position ORDER BY at")
    async with fresh_db.snapshot() as tx:
        found = list(await tx.scalars(parts))
    assert found == ["position_before", "position_before", f"position_{far:%Y_%m}"]


async def test_months_are_made_ahead_and_dropped_whole(
    fresh_db: Database, clock: FakeClock
) -> None:
    """Three months lie ready; what every segment has done with goes, and not a day earlier."""
    made = await a_round(fresh_db, "standard")
    async with fresh_db.snapshot() as tx:
        (before,) = await months.known(tx)
    clock.set(before.ends - timedelta(days=1))
    await keep_months(fresh_db, nobody_asks)
    await keep_months(fresh_db, nobody_asks)
    fixes = [positions.Fix(clock.now(), 1, 2, 3, None, mock=False)]
    async with fresh_db.begin() as tx:
        await positions.keep(tx, made.device, made.driver, fixes)
    assert [month.name for month in await _known(fresh_db)] == [
        "position_before",
        f"position_{before.ends:%Y_%m}",
        f"position_{months.following(before.ends.date()):%Y_%m}",
    ]
    longest = timedelta(days=30)
    clock.set(before.ends + longest - timedelta(seconds=1))
    await keep_months(fresh_db, nobody_asks)
    assert before in await _known(fresh_db)
    assert await _count(fresh_db) == 1
    clock.advance(seconds=1)
    await keep_months(fresh_db, nobody_asks)
    assert before not in await _known(fresh_db)
    assert await _count(fresh_db) == 0
    assert await newest(fresh_db, made.driver) is None


async def _known(db: Database) -> list[months.Month]:
    async with db.snapshot() as tx:
        return await months.known(tx)


async def _count(db: Database) -> int:
    async with db.snapshot() as tx:
        return len(list(await tx.scalars(select(col(Position.at)))))


async def test_strays_end_with_their_time(fresh_db: Database, clock: FakeClock) -> None:
    """A fix for which there is no month is kept as long as any other, not for ever."""
    made, ends = await a_round(fresh_db, "standard"), (await _known(fresh_db))[0].ends
    far = ends + timedelta(days=400)
    fixes = [positions.Fix(far, 1, 2, 3, None, mock=False)]
    async with fresh_db.begin() as tx:
        await positions.keep(tx, made.device, made.driver, fixes)
    clock.set(far + timedelta(days=29))
    await keep_months(fresh_db, nobody_asks)
    assert await _count(fresh_db) == 1
    clock.advance(days=2)
    await keep_months(fresh_db, nobody_asks)
    assert await _count(fresh_db) == 0


async def test_a_fenced_timetable_makes_no_month(fresh_db: Database) -> None:
    """Who no longer leads changes no table."""

    async def refuse(_tx: Tx) -> None:
        raise PermissionError

    known = await _known(fresh_db)
    with pytest.raises(PermissionError):
        await keep_months(fresh_db, refuse)
    assert await _known(fresh_db) == known
