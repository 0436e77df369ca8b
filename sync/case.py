"""A case: one mutation that is to be judged, with all that is known around it; and its answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from backend.audit.follow import Witness
from backend.domain.people import Actor
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store.database import Tx, moment
from backend.tables.base import Audited
from backend.tables.stops import Stop
from pod.service import without_secrets
from sync.clockwork import Estimate
from sync.matrix import Outcome
from sync.mutations import Heard, Mutation
from sync.receipts import FindingOut, Receipt, StopOut
from sync.wall import read_wall


class Case(Struct, frozen=True):
    """One readable mutation of a device, in a transaction."""

    tx: Tx
    keys: Keys
    device: CallingDevice
    heard: Heard
    mutation: Mutation
    when: Estimate

    @property
    def actor(self) -> Actor:
        """The driver on this device."""
        return self.device.actor

    @property
    def decisive(self) -> datetime:
        """The moment by which a time limit is judged: ours, unless our anchors bound the event."""
        return self.when.happened if self.when.bounded else moment(self.tx)

    @property
    def cause(self) -> str:
        """How entries name this mutation."""
        return f"mutation:{self.heard.id}"

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON, without codes and tokens: fit for the timeline."""
        said = without_secrets(wire(self.mutation.body))
        return {name: _legible(value) for name, value in said.items()}

    @property
    def evidence(self) -> tuple[dict[str, Any], ...]:
        """The files the mutation names, as JSON."""
        return tuple(wire(item) for item in self.mutation.frame.evidence)

    def witness(
        self,
        outcome: Outcome,
        *,
        id: UUID | None = None,  # noqa: A002 - the witness's own word
        findings: tuple[dict[str, str], ...] = (),
    ) -> Witness:
        """What the timeline keeps of this mutation."""
        fix, at = self.mutation.frame.fix, self.mutation.frame.at
        return Witness(
            outcome=outcome.value,
            kind=self.mutation.kind.value,
            device_id=self.device.id,
            mutation_id=self.heard.id,
            policy_version=self.mutation.frame.policy_version,
            uncertainty_ms=self.when.uncertainty_ms,
            bounded=self.when.bounded,
            device_wall=read_wall(at.wall) if at else None,
            body=self.body,
            fix=wire(fix) if fix is not None else None,
            evidence=self.evidence,
            id=id,
            findings=findings,
        )


class Answer(Struct, frozen=True):
    """What becomes of a mutation. ``row`` is what its entry speaks of, None for the device.

    ``stop`` is the stop that a mutation without effect was about.
    """

    outcome: Outcome
    code: str | None = None
    detail: str | None = None
    row: Audited | None = None
    entry: bytes | None = None
    findings: tuple[dict[str, str], ...] = ()
    stop: Stop | None = None


def receipt(heard: Heard, answer: Answer, entry: bytes | None) -> Receipt:
    """Write the receipt of a mutation."""
    stop = answer.row if isinstance(answer.row, Stop) else answer.stop
    return Receipt(
        n=heard.n,
        id=heard.echo,
        outcome=answer.outcome,
        code=answer.code,
        detail=answer.detail,
        stop=_stop(stop) if stop else None,
        findings=[FindingOut(**finding) for finding in answer.findings],
        entry=entry.hex() if entry else None,
    )


def _stop(stop: Stop) -> StopOut:
    return StopOut(stop.id, stop.version, stop.state, stop.proof)


def wire(value: msgspec.Struct) -> dict[str, Any]:
    """Return a wire value as JSON, without the members that say nothing."""
    built: dict[str, Any] = msgspec.to_builtins(value)
    return {name: item for name, item in built.items() if item is not None}


def _legible(value: object) -> object:
    """Replace U+0000, which a member that nobody reads may carry and no column holds."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {str(_legible(name)): _legible(item) for name, item in value.items()}
        case list():
            return [_legible(item) for item in value]
        case _:
            return value
