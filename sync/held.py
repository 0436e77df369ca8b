"""Held mutations are judged again by themselves: once their stop or route has become the driver's,
or once an upgrade knows their kind. What still waits after a day is shown to a person.

The number, the bytes, the order and the time it happened stay; only the answer changes, with an
entry of its own. A phone that repeats the mutation gets the new answer. A phone that is heard
before the timetable comes by has what is held of it judged first, so that a stop's events keep
their order.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.keys import Keys
from backend.store import devices, mutations
from backend.store.database import Database, moment
from sync.again import SecondLook, about_held
from sync.mutations import Mutation, hear

PATIENCE = timedelta(hours=24)
_AT_ONCE = 50
_PAGE = 500


async def judge_held(db: Database, keys: Keys) -> int:
    """Judge what has become ripe; return how many mutations got another answer."""
    async with db.snapshot() as tx:
        ripe = await mutations.ripe(tx, limit=_AT_ONCE)
    return await _judge_devices(db, keys, ripe)


async def judge_learnt(db: Database, keys: Keys) -> int:
    """Judge what an older release did not know; return how many mutations got another answer."""
    after, learnt = 0, set[UUID]()
    while True:
        async with db.snapshot() as tx:
            page = await mutations.unheard(tx, after, limit=_PAGE)
        if not page:
            return await _judge_devices(db, keys, sorted(learnt))
        learnt |= {row.device_id for row in page if isinstance(hear(row.raw).read, Mutation)}
        after = page[-1].seq


async def ask_about_held(db: Database) -> int:
    """Show a person what has waited for a day; return how many mutations that were."""
    async with db.begin() as tx:
        waiting = await mutations.long_held(tx, moment(tx) - PATIENCE, limit=_AT_ONCE)
        for row in waiting:
            await open_item(
                tx,
                kind=_KINDS.get(row.code or "", InboxKind.QUARANTINED),
                subject=about_held(row.driver_id, row.id),
                detail=f"{row.kind or 'an event of a kind this release does not know'}: "
                "held for a day, and what it waits for did not come",
                device_id=row.device_id,
                mutation_id=row.id,
            )
    return len(waiting)


_KINDS = {"unknown_stop": InboxKind.UNKNOWN_STOP}


async def _judge_devices(db: Database, keys: Keys, ids: Iterable[UUID]) -> int:
    judged = 0
    for device_id in ids:
        async with db.begin() as tx:
            journal = await devices.lock_journal(tx, device_id)
            if journal is not None:
                judged += await SecondLook.at(tx, keys, journal).again()
                devices.keep_journal(tx, journal)
    return judged
