"""Held mutations are judged again by themselves, once their stop or route has become the driver's.

The number, the bytes and the order stay; only the answer changes, with an entry of its own. A
phone that repeats the mutation gets the new answer.
"""

import msgspec

from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import devices, mutations
from backend.store.database import Database, Tx, savepoint
from backend.tables.mutations import Mutation as MutationRow
from sync.bench import Bench
from sync.case import receipt
from sync.clockwork import DeviceTime
from sync.matrix import Outcome
from sync.mutations import Mutation, hear

_AT_ONCE = 50


async def judge_held(db: Database, keys: Keys) -> int:
    """Judge what has become ripe; return how many mutations got another answer."""
    async with db.snapshot() as tx:
        ripe = await mutations.ripe(tx, limit=_AT_ONCE)
    judged = 0
    for device_id in ripe:
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
    bench = Bench(tx, keys, device, DeviceTime())
    read = [(row, hear(row.raw)) for row in rows]
    await bench.prepare([heard.read for _, heard in read])
    judged = 0
    for row, heard in read:
        if not isinstance(heard.read, Mutation):
            continue
        async with savepoint(tx):
            answer = await bench.judge(heard, heard.read)
            if answer.outcome is not Outcome.HELD and answer.row is not None:
                _answer_anew(row, msgspec.to_builtins(receipt(heard, answer, answer.entry)))
                judged += 1
    return judged


def _answer_anew(row: MutationRow, answered: dict[str, object]) -> None:
    row.receipt = answered
    row.outcome = str(answered["outcome"])
    row.code = None if answered["code"] is None else str(answered["code"])
