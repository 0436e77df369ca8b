"""Slow guessers down: so many wrong tries in a window, then 429, even for the right answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from weakref import WeakValueDictionary

import anyio

from backend.errors import TooManyTries
from backend.store import tries
from backend.store.database import Database, moment


@dataclass(frozen=True, slots=True)
class Limit:
    """How many wrong tries in how long."""

    tries: int
    window: timedelta


ENROLMENT = Limit(5, timedelta(minutes=1))
SIGN_IN = Limit(5, timedelta(minutes=15))


class Try:
    """One reserved try; call ``was_right`` to give it back."""

    def __init__(self) -> None:
        self.right = False

    def was_right(self) -> None:
        """The guess was right, so it does not count."""
        self.right = True


@asynccontextmanager
async def one_try(db: Database, key: str, limit: Limit) -> AsyncIterator[Try]:
    """Reserve a try of ``key`` for the block; it counts unless the block says it was right.

    Reserving first keeps the limit exact however many guesses arrive at once. The tries of one key
    wait for each other, so that those who are right at once do not use up each other's tries;
    processes do not wait for each other, and hold one try each.

    Raises:
        TooManyTries: with Retry-After.
    """
    async with _turn(db, key):
        async with db.begin() as tx:
            wait = await tries.reserve(tx, key, moment(tx), limit=limit.tries, window=limit.window)
        if wait is not None:
            raise TooManyTries(headers={"Retry-After": str(max(1, ceil(wait.total_seconds())))})
        attempt = Try()
        yield attempt
        if attempt.right:
            async with db.begin() as tx:
                await tries.refund(tx, key)


_turns: WeakValueDictionary[tuple[int, str], anyio.Lock] = WeakValueDictionary()


def _turn(db: Database, key: str) -> anyio.Lock:
    """Return what the tries of a key queue for; it is gone once nobody does."""
    return _turns.setdefault((id(db), key), anyio.Lock())
