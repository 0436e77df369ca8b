"""A chunk of a batch, taken in within one transaction: numbers, judgement, answers.

Nothing in one mutation can fail another. A chunk is judged as a whole first, since nearly all are
sound and a savepoint for each costs more than the work; where one fails, the chunk is taken in anew
with a savepoint for each mutation, and the one that fails again is quarantined with its bytes. A
fault that will pass fails the chunk, which is then tried again as it was.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from backend.audit.record import Event, record
from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import devices, mutations
from backend.store.database import Tx, moment, savepoint
from backend.tables.devices import Device
from backend.tables.mutations import Mutation as MutationRow
from backend.wire.outage import will_pass
from sync.bench import Bench
from sync.case import Answer, receipt
from sync.clockwork import DeviceTime
from sync.matrix import Outcome
from sync.mutations import Fault, Heard, Mutation
from sync.numbering import Memory, Numbering, Standing, Stored
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


class Intake:
    """Takes one chunk of a device's mutations in, inside one transaction."""

    def __init__(
        self, tx: Tx, keys: Keys, device: CallingDevice, sent: DeviceTime, *, carefully: bool
    ) -> None:
        self._tx = tx
        self._device = device
        self._carefully = carefully
        self._bench = Bench(tx, keys, device, sent)

    async def take(
        self, batch: Sequence[Heard], *, gapped: bool
    ) -> tuple[list[Receipt], Numbering]:
        """Answer each element in order; ``gapped`` if the batch had a gap before this chunk."""
        journal = await devices.lock_journal(self._tx, self._device.id)
        memory = await _remember(self._tx, self._device, batch)
        numbering = Numbering(journal.acked_n, memory, gapped=gapped, flush=self._device.revoked)
        await self._bench.prepare([heard.read for heard in batch])
        receipts = [await self._answer(heard, numbering) for heard in batch]
        if journal.acked_n != numbering.acked_n:
            journal.acked_n = numbering.acked_n
        return receipts, numbering

    async def again(self, held: Sequence[tuple[MutationRow, Heard]]) -> int:
        """Judge what was held once more; return how many got another answer."""
        await self._bench.prepare([heard.read for _, heard in held])
        first = await mutations.first_answers(self._tx, self._device.id)
        judged = 0
        for row, heard in held:
            read = heard.read
            if (before := first.get(row.seq or 0)) is not None:
                judged += _repeat(row, before)
                continue
            if isinstance(read, Fault):
                continue
            if self._bench.waits(read) and row.code == "unknown_stop":
                continue
            _answer_anew(row, heard, await self._judged(heard, read))
            judged += 1
        return judged

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
                answered = await self._new(heard)
                self._keep(heard, answered, numbered=True)
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
            answer = _REVOKED if self._device.revoked else why
            await self._ask(heard, answer)
            return receipt(heard, answer, None)
        why = Answer(Outcome.QUARANTINED, *_REFUSED[standing])
        return await self._on_device(heard, _REVOKED if self._device.revoked else why)

    async def _new(self, heard: Heard) -> Receipt:
        """Judge what was never heard before."""
        if self._device.revoked:
            return await self._on_device(heard, _REVOKED)
        if not is_signed(self._device.public_key, heard):
            detail = "missing, or not by the key this device enrolled"
            return await self._on_device(
                heard, Answer(Outcome.QUARANTINED, "signature_invalid", detail)
            )
        if isinstance(heard.read, Fault):
            outcome = Outcome.HELD if heard.read.held else Outcome.QUARANTINED
            return await self._on_device(heard, Answer(outcome, heard.read.code, heard.read.detail))
        return await self._judged(heard, heard.read)

    async def _judged(self, heard: Heard, mutation: Mutation) -> Receipt:
        if not self._carefully:
            return await self._judge(heard, mutation)
        try:
            async with savepoint(self._tx):
                return await self._judge(heard, mutation)
        except Exception as error:
            if will_pass(error):
                raise
            _log.exception("mutation %s of device %s failed", heard.id, self._device.id)
        await self._bench.prepare([mutation])
        detail = "it could not be processed; a person looks at it"
        return await self._on_device(heard, Answer(Outcome.QUARANTINED, "not_processed", detail))

    async def _judge(self, heard: Heard, mutation: Mutation) -> Receipt:
        answer = await self._bench.judge(heard, mutation)
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
        )

    def _keep(self, heard: Heard, answered: Receipt, *, numbered: bool) -> None:
        """Keep the bytes and the answer, whatever it was."""
        self._tx.add(
            MutationRow(
                device_id=self._device.id,
                driver_id=self._device.driver_id,
                n=heard.n,
                numbered=numbered,
                id=heard.id,
                hash=heard.hash,
                raw=heard.raw,
                received_at=moment(self._tx),
                **_told(heard, answered),
            )
        )


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


def _told(heard: Heard, answered: Receipt) -> dict[str, Any]:
    """Return the columns that say what a mutation was read as, and what became of it."""
    frame = heard.read.frame if isinstance(heard.read, Mutation) else None
    # The id is echoed from what was sent; one that is none may be text that no column holds.
    kept = msgspec.structs.replace(answered, id=str(heard.id) if heard.id else None)
    return {
        "kind": heard.kind,
        "stop_id": frame.stop_id if frame else None,
        "route_id": frame.route_id if frame else None,
        "outcome": answered.outcome.value,
        "code": answered.code,
        "receipt": msgspec.to_builtins(msgspec.structs.replace(kept, duplicate=False)),
    }


_INBOX = {
    Outcome.REJECTED: InboxKind.REJECTED,
    Outcome.QUARANTINED: InboxKind.QUARANTINED,
    Outcome.HELD: InboxKind.QUARANTINED,
}


def _inbox_kind(heard: Heard, answer: Answer) -> InboxKind | None:
    """Name what a person is asked about this answer, if anything."""
    if _closes(heard) and answer.outcome is Outcome.APPLIED:
        return InboxKind.LOST_EVENTS
    return InboxKind.UNKNOWN_STOP if answer.code == "unknown_stop" else _INBOX.get(answer.outcome)


def _closes(heard: Heard) -> LostEvents | None:
    body = heard.read.body if isinstance(heard.read, Mutation) else None
    return body if isinstance(body, LostEvents) else None


def _closes_to(heard: Heard, answered: Receipt) -> int | None:
    """Return the last number a declaration of loss closes, if it was taken."""
    declared = _closes(heard)
    taken = answered.outcome is Outcome.APPLIED and not answered.duplicate
    return declared.to_n if declared and taken else None


async def _remember(tx: Tx, device: CallingDevice, batch: Sequence[Heard]) -> Memory:
    """Read what was taken in before, as far as this chunk touches it."""
    known = await mutations.answered(
        tx,
        device.id,
        {heard.n for heard in batch if heard.n is not None},
        {heard.hash for heard in batch},
        {heard.id for heard in batch if heard.id is not None},
    )
    memory = Memory(closed=await mutations.closed_ranges(tx, device.id))
    for row in known:
        stored = Stored(row.hash, msgspec.convert(row.receipt, Receipt))
        if row.device_id != device.id:
            _remember_elsewhere(memory, device, row, stored)
        elif row.numbered and row.n is not None:
            memory.by_number[row.n] = stored
            memory.taken_ids |= {row.id} if row.id else set()
        else:
            memory.beside[row.hash] = stored
    return memory


def _remember_elsewhere(
    memory: Memory, device: CallingDevice, row: mutations.Answered, stored: Stored
) -> None:
    """An id that another device brought in: the same driver's is a repeat of its first taking."""
    if row.id is None:
        return
    if row.driver_id == device.driver_id:
        memory.by_id.setdefault(row.id, stored)
    else:
        memory.foreign_ids.add(row.id)
