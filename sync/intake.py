"""A chunk of a batch, taken in within one transaction: numbers, judgement, answers.

Nothing in one mutation can fail another. A chunk is judged as a whole first, since nearly all are
sound and a savepoint for each costs more than the work; where one fails, the chunk is taken in anew
with a savepoint for each mutation, and the one that fails again is quarantined with its bytes. A
fault that will pass fails the chunk, which is then tried again as it was.
"""

from collections.abc import Sequence

import msgspec

from backend.identity.callers import calling
from backend.keys import Keys
from backend.store import mutations
from backend.store.database import Tx
from backend.store.devices import Journal
from backend.store.mutations import Kept
from sync.again import SecondLook
from sync.case import Answer, receipt
from sync.clocks import Exchange
from sync.clockwork import Estimate
from sync.dating import Dating, to_json
from sync.decide import uniform
from sync.judging import REVOKED, Judging, closes
from sync.keeping import to_keep, told
from sync.matrix import Outcome, Situation
from sync.mutations import Fault, Heard
from sync.numbering import Numbering, Standing
from sync.recall import recall
from sync.receipts import Receipt
from sync.signatures import is_signed

CHUNK = 50

_GAP = uniform(Situation.GAP)
_REFUSED = {
    Standing.FORK: ("fork", "this number was taken in with other content; the first stays"),
    Standing.ID_TAKEN: ("id_taken", "this id was taken in under another number"),
    Standing.RANGE_CLOSED: ("range_closed", "this number was declared lost"),
}
_UNSIGNED = Answer(
    Outcome.QUARANTINED, "signature_invalid", "missing, or not by the key this device enrolled"
)


class Intake:
    """Takes one chunk of a device's mutations in, inside one transaction."""

    def __init__(
        self, tx: Tx, keys: Keys, journal: Journal, exchange: Exchange, *, carefully: bool
    ) -> None:
        self._tx = tx
        self._journal = journal
        self._device = calling(journal.device)
        self._judging = Judging(tx, keys, self._device, carefully=carefully)
        self._dating = Dating(journal.clocks, exchange)
        self._kept: list[Kept] = []
        self._holds = False

    async def take(
        self, batch: Sequence[Heard], *, gapped: bool
    ) -> tuple[list[Receipt], Numbering]:
        """Answer each element in order; ``gapped`` if the batch had a gap before this chunk.

        What the journal knows then is the caller's to write.
        """
        journal = self._journal
        second = SecondLook(self._tx, journal, self._judging)
        held = [] if self._device.revoked else await second.held()
        await self._judging.bench.prepare(
            [heard.read for heard in (*(old for _, old in held), *batch)]
        )
        await second.judge(held)
        memory = await recall(self._tx, self._device, batch, journal.acked_n)
        numbering = Numbering(journal.acked_n, memory, gapped=gapped, flush=self._device.revoked)
        receipts = [await self._answer(heard, numbering) for heard in batch]
        mutations.keep(self._tx, self._device.id, self._device.driver_id, self._kept)
        if journal.acked_n != numbering.acked_n:
            journal.acked_n = numbering.acked_n
            journal.clocks = self._dating.kept()
            journal.holds = journal.holds or self._holds
        return receipts, numbering

    async def _answer(self, heard: Heard, numbering: Numbering) -> Receipt:
        standing, stored = numbering.place(heard)
        match standing:
            case Standing.REPEAT if stored is not None:
                return msgspec.structs.replace(stored.receipt, id=heard.echo, duplicate=True)
            case Standing.GAP:
                detail = f"send again from {numbering.need_from}"
                return receipt(heard, Answer(_GAP.outcome, "gap", detail), None)
            case Standing.KNOWN_ID if stored is not None:
                answered = msgspec.structs.replace(
                    stored.receipt, n=heard.n, id=heard.echo, duplicate=True
                )
                self._keep(heard, answered, numbered=True)
            case Standing.NEW:
                answered, when = await self._new(heard)
                if when is not None:
                    await self._judging.ask_no_more(numbering.aside(heard))
                self._keep(heard, answered, numbered=True, when=when)
            case _:
                answered = await self._refused(heard, standing)
                self._keep(heard, answered, numbered=standing is Standing.ID_TAKEN)
        numbering.take(heard, answered, closes_to=_closes_to(heard, answered))
        return answered

    async def _refused(self, heard: Heard, standing: Standing) -> Receipt:
        """Quarantine what cannot have the number it claims, or claims none."""
        if standing is Standing.NUMBERLESS:
            fault = heard.read if isinstance(heard.read, Fault) else Fault("malformed", "")
            why = Answer(Outcome.QUARANTINED, fault.code, fault.detail)
            answer = self._unless_revoked(why)
            await self._judging.ask(heard, answer)
            return receipt(heard, answer, None)
        why = Answer(Outcome.QUARANTINED, *_REFUSED[standing])
        return await self._judging.on_device(heard, self._unless_revoked(why))

    def _unless_revoked(self, answer: Answer) -> Answer:
        return REVOKED if self._device.revoked else answer

    async def _new(self, heard: Heard) -> tuple[Receipt, Estimate | None]:
        """Judge what was never heard before; the clocks of a device we trust date it."""
        if not is_signed(self._device.public_key, heard):
            return await self._judging.on_device(heard, self._unless_revoked(_UNSIGNED)), None
        when = self._dating.date(heard)
        if self._device.revoked:
            return await self._judging.on_device(heard, REVOKED), when
        if isinstance(heard.read, Fault):
            outcome = Outcome.HELD if heard.read.held else Outcome.QUARANTINED
            answer = Answer(outcome, heard.read.code, heard.read.detail)
            return await self._judging.on_device(heard, answer), when
        return await self._judging.judged(heard, heard.read, when), when

    def _keep(
        self, heard: Heard, answered: Receipt, *, numbered: bool, when: Estimate | None = None
    ) -> None:
        """Keep the bytes and the answer; also when it happened, if it may be judged later."""
        is_held = answered.outcome is Outcome.HELD
        later = is_held or answered.code == REVOKED.code
        self._holds = self._holds or is_held
        self._kept.append(
            Kept(
                n=heard.n,
                numbered=numbered,
                id=heard.id,
                hash=heard.hash,
                raw=heard.raw,
                dated=to_json(when) if later and when else None,
                receipt=to_keep(heard, answered),
                **told(heard, answered),
            )
        )


def _closes_to(heard: Heard, answered: Receipt) -> int | None:
    """Return the last number a declaration of loss closes, if it was taken."""
    declared = closes(heard)
    taken = answered.outcome is Outcome.APPLIED and not answered.duplicate
    return declared.to_n if declared and taken else None
