"""A visit ends: goods changed hands, or did not; or the driver mends how he said it ended."""

from datetime import datetime, timedelta
from typing import Any

from backend.audit.record import Event, record
from backend.dispatch.attempts import follow_stop
from backend.domain.policy import Policy
from backend.domain.reasons import EXCEPTION_REASONS
from backend.domain.stop import StopState
from backend.ids import new_id
from backend.store import segments
from backend.store.database import moment
from backend.tables.plans import Route
from backend.tables.stops import Stop
from pod import service
from pod.evidence import DoorFacts
from sync.case import Answer, Case, wire
from sync.decide import ACTS, moves
from sync.door import answer_at_door, ask_if_locked
from sync.kinds import CORRECTABLE, Kind
from sync.matrix import Outcome, Ruling
from sync.mutations import read_body, told
from sync.note import name_evidence, note
from sync.words import Corrected, Delivered, Failed

Ending = Delivered | Failed


async def close(case: Case, stop: Stop, ruling: Ruling, ending: Ending) -> Answer:
    """Take in how a visit ended; move the stop if the matrix says so."""
    if isinstance(ending, Failed) and ending.reason not in EXCEPTION_REASONS:
        detail = f"{ending.reason!r} is not one of the manifest's reasons"
        return Answer(Outcome.REJECTED, "reason_unknown", detail)
    door = await answer_at_door(case, stop, ending)
    await name_evidence(case, stop, ending)
    if not (ruling.effect and moves(ACTS[case.mutation.kind], StopState(stop.state))):
        return await _beside(case, stop, ruling)
    return await _move(case, stop, ruling.outcome, ending, door)


async def correct(case: Case, stop: Stop, corrected: Corrected, *, mends: bool) -> Answer:
    """Mend the driver's own closing event; too late, it is kept and a person decides.

    ``mends``: the named event is the one that closed the stop, and this driver's.
    """
    try:
        kind = Kind(corrected.becomes.kind)
        ending = read_body(kind, 1, corrected.becomes.body)
    except ValueError as error:
        return Answer(Outcome.REJECTED, "correction_invalid", told(error))
    if kind not in CORRECTABLE or not isinstance(ending, Delivered | Failed):
        return Answer(Outcome.REJECTED, "correction_invalid", f"{kind} is not a way to end a visit")
    if isinstance(ending, Failed) and ending.reason not in EXCEPTION_REASONS:
        return Answer(Outcome.REJECTED, "reason_unknown", ending.reason)
    if not mends:
        return Answer(Outcome.REJECTED, "nothing_to_correct", "that event did not close this stop")
    policy = await segments.policy(case.tx, stop.segment, stop.policy_version)
    if _is_late(case, stop, policy):
        entry = await note(case, stop, Outcome.RECORDED)
        return Answer(Outcome.RECORDED, "correction_late", None, stop, entry)
    door = await answer_at_door(case, stop, ending)
    await name_evidence(case, stop, ending)
    return await _move(case, stop, Outcome.APPLIED, ending, door, amends=True)


def _is_late(case: Case, stop: Stop, policy: Policy) -> bool:
    closed = stop.closed_at or case.decisive
    return case.decisive - closed > timedelta(seconds=policy.undo_s)


async def _beside(case: Case, stop: Stop, ruling: Ruling) -> Answer:
    """Keep the event beside what already closed the stop; its evidence counts all the same."""
    entry = await note(case, stop, ruling.outcome)
    verdict = await service.settle(case.tx, case.actor, stop.id, cause=case.cause)
    findings = service.findings_to_wire(verdict.findings) if verdict else []
    return Answer(ruling.outcome, ruling.code, None, stop, entry, tuple(findings))


async def _move(
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
    claim = service.claim_of(kind.value, wire(ending), fix)
    if claim is None:
        raise LookupError(f"{kind} claims nothing")
    verdict = await service.weigh(case.tx, stop, claim, policy=policy, door=door)
    findings = tuple(service.findings_to_wire(verdict.findings))
    event_id = new_id()
    due = service.evidence_due(policy, verdict, moment(case.tx))
    # What the end of the day took off the manifest stays off it: the phone knows its receipt.
    holder = case.device.driver_id if stop.manifest_driver_id else None
    change = {
        **_ended(ending, case.when.happened),
        "proof": verdict.state.value,
        "closed_by": event_id,
        "evidence_due_at": due,
        "manifest_driver_id": holder,
    }
    event = Event(
        case.mutation.kind.value,
        Stop,
        stop.id,
        change,
        occurred=case.when.happened,
        cause=case.cause,
        evidence=tuple(item["sha256"] for item in case.evidence),
        witness=case.witness(outcome, id=event_id, findings=findings),
    )
    moved = stop.manifest_driver_id != holder
    await record(case.tx, case.actor, event)
    entry = stop.entry
    if moved:  # the route it was taken from lists one stop less now
        listed = Event("route.changed", Route, stop.route_id, cause=case.cause)
        await record(case.tx, case.actor, listed)
    await follow_stop(case.tx, case.actor, stop, cause=case.cause, amends=amends)
    await ask_if_locked(case, stop, door)
    return Answer(outcome, None, None, stop, entry, findings)


def _ended(ending: Ending, happened: datetime) -> dict[str, Any]:
    """Return the columns that say how a visit ended."""
    if isinstance(ending, Failed):
        told = {"state": StopState.FAILED.value, "method": None, "reason": ending.reason}
        return {**told, "recipient": None, "closed_at": happened}
    recipient = ending.recipient.name if ending.recipient else None
    told = {"state": StopState.DELIVERED.value, "method": ending.method.value, "reason": None}
    return {**told, "recipient": recipient, "closed_at": happened}
