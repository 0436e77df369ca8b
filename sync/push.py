"""Push: a batch, chunk by chunk, each in a transaction of its own.

Push is never refused for the content of one mutation, a client's age or a token's delay. A fault
that will pass is tried again here; if it stays, the caller gets 503 and may send the same again.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store.database import Database
from backend.wire.outage import will_pass
from sync.clocks import Exchange
from sync.intake import CHUNK, Intake
from sync.mutations import Heard
from sync.receipts import Receipt

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Pushed:
    """The answers to a batch, and where the numbering stands after it."""

    receipts: list[Receipt]
    need_from: int | None


async def push(
    db: Database, keys: Keys, device: CallingDevice, exchange: Exchange, batch: Sequence[Heard]
) -> Pushed:
    """Take a batch in.

    Raises:
        Unavailable: a fault that will pass did not; whole chunks are recorded or none of them.
    """
    receipts: list[Receipt] = []
    need_from: int | None = None
    for start in range(0, len(batch), CHUNK):
        chunk = batch[start : start + CHUNK]
        taken = await _patiently(db, keys, device, exchange, chunk, gapped=need_from is not None)
        receipts += taken.receipts
        need_from = taken.need_from
    return Pushed(receipts, need_from)


async def _patiently(
    db: Database,
    keys: Keys,
    device: CallingDevice,
    exchange: Exchange,
    chunk: Sequence[Heard],
    *,
    gapped: bool,
) -> Pushed:
    """Take a chunk in; a deadlock or a lost serialisation is nobody's fault and tried again.

    Any other fault lies in one of the mutations: from then on each is judged in a savepoint.
    """
    carefully, passed = False, 0
    while True:
        try:
            async with db.begin() as tx:
                intake = Intake(tx, keys, device, exchange, carefully=carefully)
                receipts, numbering = await intake.take(chunk, gapped=gapped)
            return Pushed(receipts, numbering.need_from)
        except Exception as error:
            passing = will_pass(error)
            passed += passing
            if passed == _TRIES or (carefully and not passing):
                raise
            carefully = carefully or not passing
        await anyio.sleep(random.uniform(0, 0.05 * 2**passed))  # noqa: S311 - jitter, no secret
