"""Push: a batch, chunk by chunk, each in a transaction of its own; the last one answers as well.

Push is never refused for the content of one mutation, a client's age or a token's delay. A fault
that will pass is tried again here; if it stays, the caller gets 503 and may send the same again.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio

from backend.identity.access import TokenInvalid
from backend.keys import Keys
from backend.store import devices
from backend.store.database import Database, Tx
from backend.store.devices import Journal
from backend.wire.outage import will_pass
from sync.call import Call
from sync.intake import CHUNK, Intake
from sync.mutations import Heard
from sync.receipts import Receipt, Reply

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Pushed:
    """The answers to a batch so far, and the first number that is missing."""

    receipts: list[Receipt] = field(default_factory=list)
    need_from: int | None = None


# Notes in the journal what the call showed, and reads the reply while nothing else can happen.
Finish: TypeAlias = Callable[[Tx, Journal, Pushed], Awaitable[Reply]]


async def push(db: Database, keys: Keys, call: Call, finish: Finish) -> Reply:
    """Take a batch in; return what ``finish`` makes of it in the last chunk's transaction.

    Raises:
        Unavailable: a fault that will pass did not; whole chunks are recorded or none of them.
    """
    pushed = Pushed()
    *earlier, last = [
        call.batch[start : start + CHUNK] for start in range(0, len(call.batch), CHUNK)
    ]
    for chunk in earlier:
        pushed, _ = await _patiently(_Chunk(db, keys, call, chunk, pushed))
    _, reply = await _patiently(_Chunk(db, keys, call, last, pushed, finish))
    if reply is None:
        raise LookupError("the last chunk was not answered")
    return reply


@dataclass(frozen=True, slots=True)
class _Chunk:
    db: Database
    keys: Keys
    call: Call
    batch: Sequence[Heard]
    before: Pushed
    finish: Finish | None = None

    async def take(self, *, carefully: bool) -> tuple[Pushed, Reply | None]:
        """Take the chunk in."""
        async with self.db.begin() as tx:
            journal = await devices.lock_journal(tx, self.call.device_id)
            if journal is None:
                raise TokenInvalid
            intake = Intake(tx, self.keys, journal, self.call.exchange, carefully=carefully)
            gapped = self.before.need_from is not None
            receipts, numbering = await intake.take(self.batch, gapped=gapped)
            pushed = Pushed([*self.before.receipts, *receipts], numbering.need_from)
            if self.finish is not None:
                return pushed, await self.finish(tx, journal, pushed)
            devices.keep_journal(tx, journal)
        return pushed, None


async def _patiently(chunk: _Chunk) -> tuple[Pushed, Reply | None]:
    """Take a chunk in; a deadlock or a lost serialisation is nobody's fault and tried again.

    Any other fault lies in one of the mutations: from then on each is judged in a savepoint.
    """
    carefully, passed = False, 0
    while True:
        try:
            return await chunk.take(carefully=carefully)
        except TokenInvalid:
            raise
        except Exception as error:
            passing = will_pass(error)
            passed += passing
            if passed == _TRIES or (carefully and not passing):
                raise
            carefully = carefully or not passing
        await anyio.sleep(random.uniform(0, 0.05 * 2**passed))  # noqa: S311 - jitter, no secret
