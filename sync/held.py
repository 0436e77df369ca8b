"""Held mutations are judged again by themselves: once their stop or route has become the driver's,
or once an upgrade knows their kind.

The number, the bytes and the order stay; only the answer changes, with an entry of its own. A
phone that repeats the mutation gets the new answer.
"""

from collections.abc import Iterable
from uuid import UUID

from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import devices, mutations
from backend.store.database import Database, Tx
from sync.clockwork import DeviceTime
from sync.intake import Intake
from sync.mutations import Mutation, hear

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


async def _judge_devices(db: Database, keys: Keys, ids: Iterable[UUID]) -> int:
    judged = 0
    for device_id in ids:
        async with db.begin() as tx:
            await devices.lock_journal(tx, device_id)
            known = await devices.known(tx, device_id)
            if known is not None:
                device = CallingDevice(
                    known.id, known.driver_id, known.revoked_at is not None, known.public_key
                )
                judged += await _judge_device(tx, keys, device)
    return judged


async def _judge_device(tx: Tx, keys: Keys, device: CallingDevice) -> int:
    rows = await mutations.held(tx, device.id)
    return await Intake(tx, keys, device, DeviceTime(), carefully=True).again(
        [(row, hear(row.raw)) for row in rows]
    )
