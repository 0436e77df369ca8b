"""A supervisor overrides a stop: with a reason and a note, and a second person where asked for.

A final stop is never reopened: its proof alone can still be waived, and with the reason
``correction`` how it ended can be amended. Repeating a call under its idempotency key gives the
same answer and changes nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

from backend.audit.follow import Witness
from backend.audit.record import Event, record
from backend.dispatch.attempts import follow_stop
from backend.dispatch.inbox import ask_no_more, open_item
from backend.domain.inbox import InboxKind
from backend.domain.people import Actor
from backend.domain.policy import Policy
from backend.domain.reasons import OVERRIDE_REASONS
from backend.domain.stop import ProofState, StopState
from backend.domain.transitions import Move, move
from backend.errors import Forbidden, InputError, Malformed, NotFound, StateConflict
from backend.ids import new_id
from backend.store import dispatch as store
from backend.store import segments
from backend.store.database import Tx, moment
from backend.tables.stops import Override, OverrideState, Stop

SHORTEST_NOTE = 10
WAIVED = ProofState.WAIVED.value
_MOVES = MappingProxyType(
    {
        StopState.DELIVERED: Move.DELIVER,
        StopState.FAILED: Move.FAIL,
        StopState.CANCELLED: Move.CANCEL,
        StopState.RELEASED: Move.RELEASE,
    }
)
# How a visit ended was told wrongly: an amending event, not a second visit.
CORRECTION = "correction"
_AMENDABLE = frozenset(
    {
        (StopState.DELIVERED, StopState.FAILED),
        (StopState.FAILED, StopState.DELIVERED),
        (StopState.CANCELLED, StopState.DELIVERED),
    }
)
_WAIVABLE = frozenset({ProofState.NONE, ProofState.AWAITED, ProofState.REFUSED})


class OverrideInvalid(Malformed):
    """The reason does not justify this, or the note says too little."""

    code = "override_invalid"
    title = "The override lacks a fitting reason or a note"


class IdempotencyConflict(StateConflict):
    """The key was used for something else."""

    code = "idempotency_conflict"
    title = "The idempotency key was used with other content"


class StopFinal(StateConflict):
    """The visit is over; its consignment gets a new stop instead."""

    code = "stop_final"
    title = "The stop is final and is not reopened"


class MoveNotAllowed(StateConflict):
    """The stop cannot get there from where it is."""

    code = "move_not_allowed"
    title = "The stop cannot get there from its present state"


class SecondPersonRequired(Forbidden):
    """Who asked cannot confirm."""

    code = "second_person_required"
    title = "Another supervisor has to confirm"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a supervisor wants a stop to become, and why."""

    to: StopState
    proof: str | None
    reason: str
    note: str
    key: str


@dataclass(frozen=True, slots=True)
class Overridden:
    """The override, and the stop as it is now."""

    id: UUID
    state: OverrideState
    stop: Stop


async def override_stop(
    tx: Tx, actor: Actor, person_id: UUID, stop_id: UUID, asked: Asked
) -> Overridden:
    """Override a stop at once, or wait for the second person where the segment asks for one.

    Raises:
        NotFound: there is no such stop.
        OverrideInvalid: reason or note do not do.
        IdempotencyConflict: the key was used with other content.
        StopFinal, MoveNotAllowed: not possible from the stop's present state.
    """
    _check(asked)
    before = await store.claim_key(tx, person_id, asked.key)
    stop = await store.lock_stop(tx, stop_id)
    if stop is None:
        raise NotFound
    if before is not None:
        return Overridden(before.id, OverrideState(before.state), _same(before, stop, asked))
    _must_be_possible(stop, asked.to, asked.proof, asked.reason)
    policy = await segments.policy(tx, stop.segment, stop.policy_version)
    override = await _write_down(tx, actor, person_id, stop, asked, waits=policy.second_person)
    if policy.second_person:
        await _ask_second(tx, override)
    else:
        await _carry_out(tx, actor, stop, override, policy)
    await tx.flush()
    return Overridden(override.id, OverrideState(override.state), stop)


async def confirm(tx: Tx, actor: Actor, person_id: UUID, override_id: UUID) -> Overridden:
    """Confirm an override as the second person; confirming again is harmless.

    Raises:
        NotFound: there is no such override.
        SecondPersonRequired: the same person asked for it.
        StopFinal, MoveNotAllowed: the stop moved on meanwhile.
    """
    stop_id = await store.override_stop_id(tx, override_id)
    stop = await store.lock_stop(tx, stop_id) if stop_id else None
    if stop is None:
        raise NotFound
    override = await store.lock_override(tx, override_id)
    if override.state == OverrideState.DONE:
        return Overridden(override.id, OverrideState.DONE, stop)
    if override.requested_by == person_id:
        raise SecondPersonRequired
    _must_be_possible(stop, StopState(override.to_state), override.proof, override.reason)
    change = {"state": OverrideState.DONE.value, "confirmed_by": person_id}
    await record(tx, actor, Event("override.confirmed", Override, override.id, change))
    policy = await segments.policy(tx, stop.segment, stop.policy_version)
    await _carry_out(tx, actor, stop, override, policy)
    await ask_no_more(tx, actor, person_id, _subject(override.id))
    return Overridden(override.id, OverrideState.DONE, stop)


def _check(asked: Asked) -> None:
    faults = []
    reason = OVERRIDE_REASONS.get(asked.reason)
    if reason is None:
        faults.append(InputError("/reason", "unknown_value", "see GET /reasons?for=override"))
    elif asked.to not in reason.to:
        told = f"{reason.code} justifies {', '.join(reason.to)} only"
        faults.append(InputError("/reason", "not_allowed", told))
    if len(asked.note.strip()) < SHORTEST_NOTE:
        told = f"at least {SHORTEST_NOTE} characters say why"
        faults.append(InputError("/note", "too_short", told))
    if faults:
        raise OverrideInvalid(errors=faults)


def _same(before: Override, stop: Stop, asked: Asked) -> Stop:
    """Return the stop where the call is the same as the one before."""
    then = (before.stop_id, before.to_state, before.proof, before.reason, before.note)
    if then != (stop.id, asked.to.value, asked.proof, asked.reason, asked.note):
        raise IdempotencyConflict
    return stop


def _must_be_possible(stop: Stop, to: StopState, proof: str | None, reason: str) -> None:
    state = StopState(stop.state)
    if _is_waiver_alone(stop, to, proof) or (reason == CORRECTION and can_amend(state, to)):
        return
    if state.is_final:
        raise StopFinal(f"the stop is {state}")
    if state is StopState.PLANNED and to is StopState.RELEASED:
        raise MoveNotAllowed("a planned stop is released with its plan")
    if move(state, _MOVES[to]) is None:
        raise MoveNotAllowed(f"the stop is {state}, it cannot become {to}")


def can_amend(state: StopState, to: StopState) -> bool:
    """Whether a correction may say that a visit ended otherwise."""
    return (state, to) in _AMENDABLE


def _is_waiver_alone(stop: Stop, to: StopState, proof: str | None) -> bool:
    """Whether the stop stays what it is and only its proof is waived."""
    return (
        proof == WAIVED
        and stop.state == to
        and to in (StopState.DELIVERED, StopState.FAILED)
        and stop.proof in _WAIVABLE
    )


async def _write_down(
    tx: Tx, actor: Actor, person_id: UUID, stop: Stop, asked: Asked, *, waits: bool
) -> Override:
    state = OverrideState.AWAITING_SECOND if waits else OverrideState.DONE
    change = {
        "stop_id": stop.id,
        "state": state.value,
        "to_state": asked.to.value,
        "proof": asked.proof,
        "reason": asked.reason,
        "note": asked.note,
        "idempotency_key": asked.key,
        "requested_by": person_id,
        "requested_at": moment(tx),
    }
    action = "override.requested" if waits else "override.made"
    row = await record(tx, actor, Event(action, Override, new_id(), change, create=True))
    assert isinstance(row, Override)
    return row


async def _ask_second(tx: Tx, override: Override) -> None:
    await open_item(
        tx,
        kind=InboxKind.SECOND_PERSON,
        subject=_subject(override.id),
        detail=f"An override to {override.to_state} ({override.reason}) waits for another person",
        stop_id=override.stop_id,
    )


def _subject(override_id: UUID) -> str:
    return f"override:{override_id}"


async def _carry_out(tx: Tx, actor: Actor, stop: Stop, override: Override, policy: Policy) -> None:
    """Move stop, proof and consignment; the entry shows before and after."""
    to, waived = StopState(override.to_state), override.proof == WAIVED
    moved, amends = to is not StopState(stop.state), StopState(stop.state).is_final
    event_id = new_id()
    change: dict[str, object] = {"state": to.value, "proof": _proof(to, waived=waived).value}
    change["evidence_due_at"] = None
    if to is StopState.RELEASED:
        change |= {"arrived_at": None}
    elif moved:
        change |= {"closed_at": moment(tx), "closed_by": event_id}
        change |= {"method": None, "reason": None, "recipient": None}
        if not waived and to is not StopState.CANCELLED:
            change["evidence_due_at"] = moment(tx) + timedelta(hours=policy.late_evidence_h)
    body = {"to": to.value, "proof": override.proof, "reason": override.reason}
    event = Event(
        "stop.overridden",
        Stop,
        stop.id,
        change,
        cause=f"override {override.id}",
        witness=Witness(id=event_id, policy_version=stop.policy_version, body=body),
    )
    await record(tx, actor, event)
    if moved:
        await follow_stop(tx, actor, stop, cause=f"override {override.id}", amends=amends)


def _proof(to: StopState, *, waived: bool) -> ProofState:
    if waived:
        return ProofState.WAIVED
    return ProofState.AWAITED if to in (StopState.DELIVERED, StopState.FAILED) else ProofState.NONE
