"""The evidence store looked after: what it lost is wanted again, what nobody names goes.

Deleting and entering the same bytes exclude one another by a lock on their hash, taken last;
whoever enters makes sure under that lock that the bytes are there. So no byte that anything names
is ever deleted, whatever happens at the same moment.
"""

import logging
from datetime import datetime
from uuid import UUID

from backend.audit.record import Event, record
from backend.blobs import Blobs
from backend.domain.people import SYSTEM
from backend.store import evidence as store
from backend.store.database import Database, moment
from backend.store.evidence import Kept
from backend.tables.evidence import Evidence

PAGE = 500
_log = logging.getLogger("doorstep.evidence")


async def recheck(db: Database, blobs: Blobs, after: UUID | None) -> UUID | None:
    """Look whether a page of files is still there; return where the next begins, None at the end.

    What is missing is wanted again from the phones that name it. Facts that were read from it stay.
    """
    async with db.snapshot() as tx:
        page = await store.kept(tx, after, limit=PAGE)
    for item in page:
        if await blobs.size(item.sha256) != item.size:
            await _mark_lost(db, blobs, item)
    return page[-1].id if len(page) == PAGE else None


async def _mark_lost(db: Database, blobs: Blobs, item: Kept) -> None:
    async with db.begin() as tx:
        await store.lock_driver(tx, item.driver_id)
        row = await tx.get_one(Evidence, item.id, with_for_update=True)
        await store.lock_bytes(tx, item.sha256)
        if row.erased_at or row.lost_at or await blobs.size(item.sha256) == item.size:
            return
        await record(tx, SYSTEM, Event("evidence.lost", Evidence, row.id, {"lost_at": moment(tx)}))
        await store.want(tx, item.driver_id, item.sha256, wanted=True)
        await store.begin_anew(tx, item.driver_id, item.sha256)
    _log.error("the store has lost %s; its phone is asked for it again", item.sha256)


async def collect(db: Database, blobs: Blobs, before: datetime) -> int:
    """Delete files that came before a moment and that nothing names; return how many.

    They are what a crash leaves between keeping a file and entering it, where no phone came back.
    """
    gone = 0
    async for sha256 in blobs.older(before):
        async with db.begin() as tx:
            await store.lock_bytes(tx, sha256)
            if not await store.is_needed(tx, sha256):
                await blobs.delete(sha256)
                gone += 1
    return gone
