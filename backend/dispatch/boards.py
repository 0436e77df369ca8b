"""The boards of the control rooms, kept behind the scenes: numbered, cleared, and not for ever."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from backend.store import depots, tombstones
from backend.store.database import Database, Tx, moment

# Routes older than this leave the board; pages and lists still find them.
BOARD_DAYS = 14
TOMBSTONES_FOR = timedelta(days=30)

Fence = Callable[[Tx], Awaitable[None]]


async def number_boards(db: Database, fence: Fence) -> int:
    """Number what changed on boards since the last time; return how many rows that were."""
    async with db.snapshot() as tx:
        waiting = await depots.unnumbered(tx)
    done = 0
    for depot_id in waiting:
        while True:
            async with db.begin() as tx:
                await fence(tx)
                numbered = await depots.number(tx, depot_id)
            done += numbered
            if numbered < depots.BATCH:
                break
    return done


async def clear_boards(db: Database, fence: Fence) -> None:
    """Take the routes of long ago off the boards."""
    async with db.snapshot() as tx:
        all_depots = await depots.all_ids(tx)
        before = moment(tx).date() - timedelta(days=BOARD_DAYS)
    for depot_id in all_depots:
        taken = depots.BATCH
        while taken == depots.BATCH:
            async with db.begin() as tx:
                await fence(tx)
                taken = await depots.take_down(tx, depot_id, before)


async def drop_tombstones(db: Database, fence: Fence) -> int:
    """Drop tombstones that are a month old, or that every live device of the driver has seen.

    Whoever stands below the floor that this leaves is given a snapshot.
    """
    async with db.snapshot() as tx:
        before = moment(tx) - TOMBSTONES_FOR
        scopes = await tombstones.droppable(tx, before)
    done = 0
    for buried in scopes:
        dropped = tombstones.BATCH
        while dropped == tombstones.BATCH:
            async with db.begin() as tx:
                await fence(tx)
                dropped = await tombstones.drop(tx, buried, before)
            done += dropped
    return done
