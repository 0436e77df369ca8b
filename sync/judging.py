"""Judging the mutations of one device, and asking a person where one has to look.

A chunk is judged as a whole first, since nearly all are sound and a savepoint for each costs more
than the work; ``carefully`` judges each in a savepoint, and the one that fails is quarantined.
"""

import logging
from collections.abc import Iterable
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.inbox import ask_no_more, open_item
from backend.domain.inbox import ACCEPTED, InboxKind
from backend.domain.people import SYSTEM
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store.database import Tx, savepoint
from backend.tables.devices import Device
from backend.wire.outage import will_pass
from sync.bench import Bench
from sync.case import Answer, receipt
from sync.clockwork import Estimate
from sync.decide import uniform
from sync.matrix import Outcome, Situation
from sync.mutations import Heard, Mutation
from sync.receipts import Receipt
from sync.signatures import is_signed
from sync.words import LostEvents

_RULED = uniform(Situation.REVOKED)
REVOKED = Answer(_RULED.outcome, _RULED.code, "this device was revoked; a person looks at it")
_log = logging.getLogger("doorstep.sync")


class Judging:
    """Judges mutations on the bench of one device."""

    def __init__(self, tx: Tx, keys: Keys, device: CallingDevice, *, carefully: bool) -> None:
        self.bench = Bench(tx, keys, device)
        self._tx = tx
        self._device = device
        self._carefully = carefully

    async def judged(self, heard: Heard, mutation: Mutation, when: Estimate) -> Receipt:
        """Judge a readable mutation that happened at the moment given."""
        if not self._carefully:
            return await self._judge(heard, mutation, when)
        try:
            async with savepoint(self._tx):
                return await self._judge(heard, mutation, when)
        except Exception as error:
            if will_pass(error):
                raise
            _log.exception("mutation %s of device %s failed", heard.id, self._device.id)
        await self.bench.prepare([mutation])
        detail = "it could not be processed; a person looks at it"
        return await self.on_device(heard, Answer(Outcome.QUARANTINED, "not_processed", detail))

    async def _judge(self, heard: Heard, mutation: Mutation, when: Estimate) -> Receipt:
        answer = await self.bench.judge(heard, mutation, when)
        if answer.row is None:
            return await self.on_device(heard, answer)
        return receipt(heard, answer, answer.entry)

    async def on_device(self, heard: Heard, answer: Answer) -> Receipt:
        """Write the entry about the device, where there is no stop or route to write it about."""
        kind = heard.kind or "mutation"
        outcome = "received" if answer.outcome is Outcome.APPLIED else answer.outcome.value
        action = kind if answer.outcome is Outcome.APPLIED else f"mutation.{outcome}"
        event = Event(action, Device, self._device.id, cause=f"mutation:{heard.id or heard.n}")
        row = await record(self._tx, self._device.actor, event)
        if answer.outcome is Outcome.QUARANTINED:
            await self.bench.name_in_vain(heard)
        await self.ask(heard, answer)
        return receipt(heard, answer, row.entry)

    async def ask(self, heard: Heard, answer: Answer) -> None:
        """Open the inbox item of what a person has to look at."""
        kind = _inbox_kind(heard, answer)
        if kind is None:
            return
        frame = heard.read.frame if isinstance(heard.read, Mutation) else None
        known_stop = frame.stop_id if frame and self.bench.knows(frame.stop_id) else None
        await open_item(
            self._tx,
            kind=kind,
            subject=_subject(self._device.id, heard.hash),
            detail=f"{heard.kind or 'mutation'} {answer.code or ''}: {answer.detail or ''}"[:500],
            stop_id=known_stop,
            device_id=self._device.id,
            mutation_id=heard.id,
            actions=self._choices(heard, answer),
        )

    async def ask_no_more(self, aside: Iterable[tuple[UUID, bytes]]) -> None:
        """Close what was asked about an act that had no place then, and was taken in now."""
        for device_id, content in aside:
            await ask_no_more(self._tx, SYSTEM, None, _subject(device_id, content))

    def _choices(self, heard: Heard, answer: Answer) -> tuple[str, ...]:
        """What a person may say: an act of a revoked device may be taken over all the same."""
        legible = answer is REVOKED and isinstance(heard.read, Mutation)
        return (ACCEPTED,) if legible and is_signed(self._device.public_key, heard) else ()


def _subject(device_id: UUID, content: bytes) -> str:
    return f"mutation:{device_id}:{content.hex()}"


_INBOX = {
    Outcome.REJECTED: InboxKind.REJECTED,
    Outcome.QUARANTINED: InboxKind.QUARANTINED,
}


def _inbox_kind(heard: Heard, answer: Answer) -> InboxKind | None:
    """Name what a person is asked about this answer, if anything; what is held has its time."""
    if closes(heard) and answer.outcome is Outcome.APPLIED:
        return InboxKind.LOST_EVENTS
    return _INBOX.get(answer.outcome)


def closes(heard: Heard) -> LostEvents | None:
    """Return the declaration of loss that a mutation is, if it is one."""
    body = heard.read.body if isinstance(heard.read, Mutation) else None
    return body if isinstance(body, LostEvents) else None
