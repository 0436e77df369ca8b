"""A chunk of a batch, taken in within one transaction: numbers, judgement, answers.

Nothing in one mutation can fail another. A chunk is judged as a whole first, since nearly all are
sound and a savepoint for each costs more than the work; where one fails, the chunk is taken in anew
with a savepoint for each mutation, and the one that fails again is quarantined with its bytes. A
fault that will pass fails the chunk, which is then tried again as it was.
"""

import logging
from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from backend.audit.record import Event, record
from backend.dispatch.inbox import ask_no_more, open_item
from backend.domain.inbox import ACCEPTED, InboxKind
from backend.domain.people import SYSTEM
from backend.identity.callers import calling
from backend.keys import Keys
from backend.store import mutations
from backend.store.database import Tx, savepoint
from backend.store.devices import Journal
from backend.store.direct import json_text
from backend.store.mutations import Kept
from backend.tables.devices import Device
from backend.tables.mutations import Mutation as MutationRow
from backend.wire.outage import will_pass
from sync.bench import Bench
from sync.case import Answer, receipt
from sync.clocks import Exchange
from sync.clockwork import DeviceTime, Estimate
from sync.dating import Dating, from_json, to_json
from sync.matrix import Outcome
from sync.mutations import Fault, Heard, Mutation, hear
from sync.numbering import Numbering, Standing
from sync.recall import recall
from sync.receipts import Receipt
from sync.signatures import is_signed
from sync.words import LostEvents

CHUNK = 50
_log = logging.getLogger("doorstep.sync")

_REFUSED = {
    Standing.FORK: ("fork", "this number was taken in with other content; the first stays"),
    Standing.ID_TAKEN: ("id_taken", "this id was taken in under another number"),
    Standing.RANGE_CLOSED: ("range_closed", "this number was declared lost"),
}


_REVOKED = Answer(
    Outcome.QUARANTINED, "device_revoked", "this device was revoked; a person looks at it"
)
_UNSIGNED = Answer(
    Outcome.QUARANTINED, "signature_invalid", "missing, or not by the key this device enrolled"
)

_Held: TypeAlias = tuple[MutationRow, Heard]


def about_held(driver_id: UUID, mutation_id: UUID | None) -> str:
    """Name the question about a held mutation: one, from however many devices it came."""
    return f"held:{driver_id}:{mutation_id}"


class Intake:
    """Takes one chunk of a device's mutations in, inside one transaction."""

    def __init__(
        self, tx: Tx, keys: Keys, journal: Journal, exchange: Exchange, *, carefully: bool
    ) -> None:
        self._tx = tx
        self._journal = journal
        self._device = calling(journal.device)
        self._carefully = carefully
        self._bench = Bench(tx, keys, self._device)
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
        held = [] if self._device.revoked else await self._held()
        await self._bench.prepare([heard.read for heard in (*(old for _, old in held), *batch)])
        await self._judge_held(held)
        memory = await recall(self._tx, self._device, batch, journal.acked_n)
        numbering = Numbering(journal.acked_n, memory, gapped=gapped, flush=self._device.revoked)
        receipts = [await self._answer(heard, numbering) for heard in batch]
        await mutations.keep(self._tx, self._device.id, self._device.driver_id, self._kept)
        if journal.acked_n != numbering.acked_n:
            journal.acked_n = numbering.acked_n
            journal.clocks = self._dating.kept()
            journal.holds = journal.holds or self._holds
        return receipts, numbering

    async def again(self) -> int:
        """Judge what was held once more, in order; return how many got another answer."""
        held = await self._held()
        await self._bench.prepare([heard.read for _, heard in held])
        return await self._judge_held(held)

    async def accept(self, row: MutationRow) -> None:
        """Judge an act of a revoked device after all: a person has taken it over."""
        heard = hear(row.raw)
        if not isinstance(heard.read, Mutation):
            return
        await self._bench.prepare([heard.read])
        when = _dated(self._journal, row, heard)
        _answer_anew(row, heard, await self._judged(heard, heard.read, when))
        self._journal.holds = self._journal.holds or row.outcome == Outcome.HELD

    async def _held(self) -> list[_Held]:
        """Read what is held of this device; hardly ever there is anything."""
        if not self._journal.holds:
            return []
        rows = await mutations.held(self._tx, self._device.id)
        return [(row, hear(row.raw)) for row in rows]

    async def _judge_held(self, held: Sequence[_Held]) -> int:
        """What came earlier is judged earlier: before its device is heard any further."""
        if not held:
            return 0
        first = await mutations.first_answers(self._tx, self._device.id)
        judged = [await self._judge_again(*one, first.get(one[0].seq or 0)) for one in held]
        self._journal.holds = any(row.outcome == Outcome.HELD for row, _ in held)
        return sum(judged)

    async def _judge_again(
        self, row: MutationRow, heard: Heard, first: mutations.FirstAnswer | None
    ) -> bool:
        """Judge a held mutation if what it waits for is there; its question closes by itself."""
        read = heard.read
        if first is not None:
            return _repeat(row, first)
        if isinstance(read, Fault) or (self._bench.waits(read) and row.code == "unknown_stop"):
            return False
        when = _dated(self._journal, row, heard)
        _answer_anew(row, heard, await self._judged(heard, read, when))
        if row.outcome != Outcome.HELD:
            await ask_no_more(self._tx, SYSTEM, None, about_held(row.driver_id, row.id))
        return True

    async def _answer(self, heard: Heard, numbering: Numbering) -> Receipt:
        standing, stored = numbering.place(heard)
        match standing:
            case Standing.REPEAT if stored is not None:
                return msgspec.structs.replace(stored.receipt, id=heard.echo, duplicate=True)
            case Standing.GAP:
                detail = f"send again from {numbering.need_from}"
                return receipt(heard, Answer(Outcome.HELD, "gap", detail), None)
            case Standing.KNOWN_ID if stored is not None:
                answered = msgspec.structs.replace(
                    stored.receipt, n=heard.n, id=heard.echo, duplicate=True
                )
                self._keep(heard, answered, numbered=True)
            case Standing.NEW:
                answered, when = await self._new(heard)
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
            await self._ask(heard, answer)
            return receipt(heard, answer, None)
        why = Answer(Outcome.QUARANTINED, *_REFUSED[standing])
        return await self._on_device(heard, self._unless_revoked(why))

    def _unless_revoked(self, answer: Answer) -> Answer:
        return _REVOKED if self._device.revoked else answer

    async def _new(self, heard: Heard) -> tuple[Receipt, Estimate | None]:
        """Judge what was never heard before; the clocks of a device we trust date it."""
        if not is_signed(self._device.public_key, heard):
            return await self._on_device(heard, self._unless_revoked(_UNSIGNED)), None
        when = self._dating.date(heard)
        if self._device.revoked:
            return await self._on_device(heard, _REVOKED), when
        if isinstance(heard.read, Fault):
            outcome = Outcome.HELD if heard.read.held else Outcome.QUARANTINED
            answer = Answer(outcome, heard.read.code, heard.read.detail)
            return await self._on_device(heard, answer), when
        return await self._judged(heard, heard.read, when), when

    async def _judged(self, heard: Heard, mutation: Mutation, when: Estimate) -> Receipt:
        if not self._carefully:
            return await self._judge(heard, mutation, when)
        try:
            async with savepoint(self._tx):
                return await self._judge(heard, mutation, when)
        except Exception as error:
            if will_pass(error):
                raise
            _log.exception("mutation %s of device %s failed", heard.id, self._device.id)
        await self._bench.prepare([mutation])
        detail = "it could not be processed; a person looks at it"
        return await self._on_device(heard, Answer(Outcome.QUARANTINED, "not_processed", detail))

    async def _judge(self, heard: Heard, mutation: Mutation, when: Estimate) -> Receipt:
        answer = await self._bench.judge(heard, mutation, when)
        if answer.row is None:
            return await self._on_device(heard, answer)
        return receipt(heard, answer, answer.entry)

    async def _on_device(self, heard: Heard, answer: Answer) -> Receipt:
        """Write the entry about the device, where there is no stop or route to write it about."""
        kind = heard.kind or "mutation"
        outcome = "received" if answer.outcome is Outcome.APPLIED else answer.outcome.value
        action = kind if answer.outcome is Outcome.APPLIED else f"mutation.{outcome}"
        event = Event(action, Device, self._device.id, cause=f"mutation:{heard.id or heard.n}")
        row = await record(self._tx, self._device.actor, event)
        await self._ask(heard, answer)
        return receipt(heard, answer, row.entry)

    async def _ask(self, heard: Heard, answer: Answer) -> None:
        """Open the inbox item of what a person has to look at."""
        kind = _inbox_kind(heard, answer)
        if kind is None:
            return
        frame = heard.read.frame if isinstance(heard.read, Mutation) else None
        known_stop = frame.stop_id if frame and self._bench.knows(frame.stop_id) else None
        await open_item(
            self._tx,
            kind=kind,
            subject=f"mutation:{self._device.id}:{heard.hash.hex()}",
            detail=f"{heard.kind or 'mutation'} {answer.code or ''}: {answer.detail or ''}"[:500],
            stop_id=known_stop,
            device_id=self._device.id,
            mutation_id=heard.id,
            actions=self._choices(heard, answer),
        )

    def _choices(self, heard: Heard, answer: Answer) -> tuple[str, ...]:
        """What a person may say: an act of a revoked device may be taken over all the same."""
        legible = answer is _REVOKED and isinstance(heard.read, Mutation)
        return (ACCEPTED,) if legible and is_signed(self._device.public_key, heard) else ()

    def _keep(
        self, heard: Heard, answered: Receipt, *, numbered: bool, when: Estimate | None = None
    ) -> None:
        """Keep the bytes and the answer; also when it happened, if it may be judged later."""
        is_held = answered.outcome is Outcome.HELD
        later = is_held or answered.code == _REVOKED.code
        self._holds = self._holds or is_held
        self._kept.append(
            Kept(
                n=heard.n,
                numbered=numbered,
                id=heard.id,
                hash=heard.hash,
                raw=heard.raw,
                dated=json_text(to_json(when)) if later and when else None,
                receipt=msgspec.json.encode(_to_keep(heard, answered)).decode(),
                **_told(heard, answered),
            )
        )


def _dated(journal: Journal, row: MutationRow, heard: Heard) -> Estimate:
    """Return when a held mutation happened, as was said when it came."""
    if row.dated is not None:
        return from_json(row.dated)
    return Dating(journal.clocks, Exchange(row.received_at, DeviceTime())).date(heard)


def _repeat(row: MutationRow, first: mutations.FirstAnswer) -> bool:
    """Answer a repeat under a new device as its first taking was, once that is judged."""
    if first.outcome == Outcome.HELD:
        return False
    row.outcome, row.code = first.outcome, first.code
    row.receipt = {**first.receipt, "n": row.n}
    return True


def _answer_anew(row: MutationRow, heard: Heard, answered: Receipt) -> None:
    """The number, the bytes and the order stay; only the answer changes."""
    for name, value in _told(heard, answered).items():
        setattr(row, name, value)
    row.receipt = msgspec.to_builtins(_to_keep(heard, answered))


def _told(heard: Heard, answered: Receipt) -> dict[str, Any]:
    """Return the columns that say what a mutation was read as, and what became of it."""
    frame = heard.read.frame if isinstance(heard.read, Mutation) else None
    return {
        "kind": heard.kind,
        "stop_id": frame.stop_id if frame else None,
        "route_id": frame.route_id if frame else None,
        "outcome": answered.outcome.value,
        "code": answered.code,
    }


def _to_keep(heard: Heard, answered: Receipt) -> Receipt:
    """The id is echoed from what was sent; one that is none may be text that no column holds."""
    known = str(heard.id) if heard.id else None
    return msgspec.structs.replace(answered, id=known, duplicate=False)


_INBOX = {
    Outcome.REJECTED: InboxKind.REJECTED,
    Outcome.QUARANTINED: InboxKind.QUARANTINED,
}


def _inbox_kind(heard: Heard, answer: Answer) -> InboxKind | None:
    """Name what a person is asked about this answer, if anything; what is held has its time."""
    if _closes(heard) and answer.outcome is Outcome.APPLIED:
        return InboxKind.LOST_EVENTS
    return _INBOX.get(answer.outcome)


def _closes(heard: Heard) -> LostEvents | None:
    body = heard.read.body if isinstance(heard.read, Mutation) else None
    return body if isinstance(body, LostEvents) else None


def _closes_to(heard: Heard, answered: Receipt) -> int | None:
    """Return the last number a declaration of loss closes, if it was taken."""
    declared = _closes(heard)
    taken = answered.outcome is Outcome.APPLIED and not answered.duplicate
    return declared.to_n if declared and taken else None
