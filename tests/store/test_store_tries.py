"""Counted tries: five wrong in a window are the end of it, and nothing but wrong ones counts."""

from datetime import timedelta

import pytest

from backend.store import tries
from backend.store.database import Database
from tests.fixtures.clock import FakeClock

pytestmark = pytest.mark.anyio

WINDOW = timedelta(minutes=1)


async def _reserve(db: Database, clock: FakeClock, key: str) -> timedelta | None:
    async with db.begin() as tx:
        return await tries.reserve(tx, key, clock.now(), limit=5, window=WINDOW)


async def test_five_are_the_end_of_it_until_the_window_is_over(
    db: Database, clock: FakeClock
) -> None:
    """The sixth hears how long to wait, however often it asks; then the count begins anew."""
    assert [await _reserve(db, clock, "a depot") for _ in range(5)] == [None] * 5
    clock.advance(seconds=20)
    assert [await _reserve(db, clock, "a depot") for _ in range(3)] == [timedelta(seconds=40)] * 3
    clock.advance(seconds=40)
    assert await _reserve(db, clock, "a depot") is None


async def test_those_who_are_right_do_not_shut_each_other_out(
    db: Database, clock: FakeClock
) -> None:
    """Of many at once some are refused; once the others were right, everybody's turn comes."""
    for _ in range(4):
        answers = [await _reserve(db, clock, "another") for _ in range(12)]
        assert answers.count(None) == 5
        async with db.begin() as tx:
            for _ in range(5):
                await tries.refund(tx, "another")
