"""Counted tries: five wrong in a window are the end of it, and nothing but wrong ones counts."""

from datetime import timedelta

import anyio
import pytest

from backend.errors import TooManyTries
from backend.identity.tries import ENROLMENT, one_try
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


async def test_who_is_right_is_never_refused_for_the_others_that_are_on_their_way(
    db: Database,
) -> None:
    """Twelve phones of one depot at once, all with the right code: none has to wait a minute."""
    let_in: list[int] = []

    async def enrol(phone: int) -> None:
        async with one_try(db, "a third", ENROLMENT) as attempt, db.begin() as tx:
            await tries.refund(tx, "nobody")
            attempt.was_right()
        let_in.append(phone)

    async with anyio.create_task_group() as phones:
        for phone in range(12):
            phones.start_soon(enrol, phone)
    assert sorted(let_in) == list(range(12))


async def test_wrong_ones_at_once_still_count_each(db: Database) -> None:
    """Twelve guesses at once: five are looked at."""
    looked_at: list[int] = []

    async def guess(phone: int) -> None:
        try:
            async with one_try(db, "a fourth", ENROLMENT):
                looked_at.append(phone)
        except TooManyTries as refused:
            assert refused.headers["Retry-After"] != "0"

    async with anyio.create_task_group() as phones:
        for phone in range(12):
            phones.start_soon(guess, phone)
    assert len(looked_at) == 5
