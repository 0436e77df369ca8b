"""Fixes of the positions lane are kept by months: made ahead, and dropped when nobody may look."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta

from backend.store import months, positions, segments
from backend.store.database import Database, Tx, moment

AHEAD = 3  # months, this one included
UNLESS_SAID = 30  # days, where there is no segment

Fence = Callable[[Tx], Awaitable[None]]


async def keep_months(db: Database, fence: Fence) -> None:
    """Make the months to come, drop those that are over for every segment.

    A month is dropped whole, when its last day is as old as the longest that any segment keeps
    fixes. Each change is a transaction of its own that gives up a lock after two seconds.
    """
    async with db.snapshot() as tx:
        known, now = await months.known(tx), moment(tx)
        before = now - await _kept_for(tx)
    for month in _missing(known, now.date()):
        async with db.begin() as tx:
            await fence(tx)
            await months.add(tx, month)
    for old in known:
        if old.ends <= before:
            async with db.begin() as tx:
                await fence(tx)
                await months.drop(tx, old)
    async with db.begin() as tx:
        await fence(tx)
        await months.sweep_strays(tx, before)
        await positions.forget_newest(tx, before)


def _missing(known: list[months.Month], today: date) -> list[date]:
    """Return the months from today's on that lie behind the last partition."""
    last = max((month.ends.date() for month in known), default=date.min)
    wanted, month = [], today.replace(day=1)
    for _ in range(AHEAD):
        if month >= last:
            wanted.append(month)
        month = months.following(month)
    return wanted


async def _kept_for(tx: Tx) -> timedelta:
    """Return the longest that any segment keeps fixes: a route's visits may be of any."""
    present = await segments.current(tx)
    kept = [segment.policy.retention_days.fix for segment in present.values()]
    return timedelta(days=max(kept, default=UNLESS_SAID))
