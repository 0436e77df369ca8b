"""A visit ends: goods changed hands, or did not."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from backend.audit.follow import Witness
from backend.audit.record import Event, record
from backend.dispatch.attempts import follow_stop
from backend.domain.people import ActorType
from backend.domain.reasons import EXCEPTION_REASONS
from backend.domain.stop import ProofState, StopState
from backend.ids import new_id
from backend.store import segments
from backend.store.database import moment
from backend.store.visits import Told
from backend.tables.plans import Route
from backend.tables.stops import Stop
from pod import service
from pod.evidence import DoorFacts
from sync.case import Answer, Case, wire
from sync.decide import moves
from sync.door import answer_at_door, ask_if_locked
from sync.kinds import Kind
from sync.matrix import Act, Outcome, Ruling
from sync.note import names_files, note
from sync.words import Delivered, Failed

Ending = Delivered | Failed


async def close(
    case: Case, stop: Stop, ruling: Ruling, ending: Ending, closed: Told | None
) -> Answer:
    """Take in how a visit ended; move the stop if the matrix says so.

    ``closed`` is the event that closed the stop before.
    """
    if isinstance(ending, Failed) and ending.reason not in EXCEPTION_REASONS:
        detail = f"{ending.reason!r} is not one of the manifest's reasons"
        return Answer(Outcome.REJECTED, "reason_unknown", detail)
    door = await answer_at_door(case, stop, ending)
    act = Act.FAIL if isinstance(ending, Failed) else Act.DELIVER
    if ruling.effect and moves(act, StopState(stop.state)):
        return await end(case, stop, ruling.outcome, ending, door)
    if ruling.effect and isinstance(ending, Delivered) and _came_first(case, closed):
        return await _overtake(case, stop, ruling, ending)
    return await beside(case, stop, ruling.outcome, ruling.code)


def _came_first(case: Case, closed: Told | None) -> bool:
    """Of two drivers' deliveries the earlier counts, if our clocks leave no doubt which it was."""
    if closed is None or closed.source != ActorType.DRIVER or closed.actor_id == case.actor.id:
        return False
    when = case.when
    if not (when.bounded and closed.bounded):
        return False
    apart = timedelta(milliseconds=(closed.uncertainty_ms or 0) + (when.uncertainty_ms or 0))
    return when.happened + apart < closed.happened


async def _overtake(case: Case, stop: Stop, ruling: Ruling, ending: Delivered) -> Answer:
    """Let an earlier delivery count instead; who holds the stop and what was proven stays."""
    event_id = new_id()
    change = {**_ended(ending, case.when.happened), "closed_by": event_id}
    entry = await _record(case, stop, change, case.witness(ruling.outcome, id=event_id))
    return Answer(ruling.outcome, None, None, stop, entry, await prove(case, stop))


async def beside(case: Case, stop: Stop, outcome: Outcome, code: str | None = None) -> Answer:
    """Keep the event beside what closed the stop; if its driver did, its evidence counts."""
    entry = await note(case, stop, outcome)
    return Answer(outcome, code, None, stop, entry, await prove(case, stop))


async def prove(case: Case, stop: Stop) -> tuple[dict[str, str], ...]:
    """Judge the proof again with what was just kept; return what it still finds."""
    await case.tx.flush()
    verdict = await service.settle(case.tx, case.actor, stop.id, cause=case.cause)
    return tuple(service.findings_to_wire(verdict.findings)) if verdict else ()


async def prove_if_it_may(case: Case, stop: Stop) -> tuple[dict[str, str], ...]:
    """Judge an open proof again if what was just kept brings something that a verdict counts."""
    brings = case.mutation.kind in _PROVING or names_files(case.mutation)
    return await prove(case, stop) if brings and stop.proof in _OPEN_PROOFS else ()


# What a verdict counts besides files and codes, and the proofs that it may still move.
_PROVING = frozenset({Kind.STOP_NOTED, Kind.PARCEL_SCANNED})
_OPEN_PROOFS = frozenset({ProofState.AWAITED, ProofState.REFUSED})


async def end(
    case: Case,
    stop: Stop,
    outcome: Outcome,
    ending: Ending,
    door: DoorFacts,
    *,
    amends: bool = False,
) -> Answer:
    """Close the stop, with the verdict on its proof in the same entry."""
    policy = await segments.policy(case.tx, stop.segment, stop.policy_version)
    kind = Kind.STOP_DELIVERED if isinstance(ending, Delivered) else Kind.STOP_FAILED
    fix = wire(case.mutation.frame.fix) if case.mutation.frame.fix else None
    claim = service.claim_of(kind.value, wire(ending), fix, case.device.driver_id)
    if claim is None:
        raise LookupError(f"{kind} claims nothing")
    verdict = await service.weigh(case.tx, stop, claim, policy=policy, door=door)
    findings = tuple(service.findings_to_wire(verdict.findings))
    event_id = new_id()
    proof, due = verdict.state, service.evidence_due(policy, verdict, moment(case.tx))
    if stop.proof == ProofState.WAIVED and stop.state == _state(ending):
        proof, due = ProofState.WAIVED, None  # given for this end, whatever its details are
    # What the end of the day took off the manifest stays off it: the phone knows its receipt.
    holder = case.device.driver_id if stop.manifest_driver_id else None
    change = {
        **_ended(ending, case.when.happened),
        "proof": proof.value,
        "closed_by": event_id,
        "evidence_due_at": due,
        "manifest_driver_id": holder,
    }
    moved = stop.manifest_driver_id != holder
    witness = case.witness(outcome, id=event_id, findings=findings)
    entry = await _record(case, stop, change, witness)
    if moved:  # the route it was taken from lists one stop less now
        listed = Event("route.changed", Route, stop.route_id, cause=case.cause)
        await record(case.tx, case.actor, listed)
    await follow_stop(case.tx, case.actor, stop, cause=case.cause, amends=amends)
    await ask_if_locked(case, stop, door)
    return Answer(outcome, None, None, stop, entry, findings)


async def _record(
    case: Case, stop: Stop, change: Mapping[str, object], witness: Witness
) -> bytes | None:
    event = Event(
        case.mutation.kind.value,
        Stop,
        stop.id,
        change,
        occurred=case.when.happened,
        cause=case.cause,
        evidence=tuple(item["sha256"] for item in case.evidence),
        witness=witness,
    )
    return (await record(case.tx, case.actor, event)).entry


def _ended(ending: Ending, happened: datetime) -> dict[str, Any]:
    """Return the columns that say how a visit ended."""
    if isinstance(ending, Failed):
        told = {"state": _state(ending).value, "method": None, "reason": ending.reason}
        return {**told, "recipient": None, "closed_at": happened}
    recipient = ending.recipient.name if ending.recipient else None
    told = {"state": _state(ending).value, "method": ending.method.value, "reason": None}
    return {**told, "recipient": recipient, "closed_at": happened}


def _state(ending: Ending) -> StopState:
    return StopState.FAILED if isinstance(ending, Failed) else StopState.DELIVERED
