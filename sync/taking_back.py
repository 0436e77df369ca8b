"""A driver takes back the delivery that a stop stands on: what stood without it stands again."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.attempts import follow_stop
from backend.domain.stop import ProofState, StopState
from backend.store import segments, visits
from backend.store.database import moment
from backend.store.visits import Word
from backend.tables.plans import Route
from backend.tables.stops import Stop
from pod import service
from pod.door import known_door
from sync.accounts import Account, cancelled
from sync.case import Answer, Case
from sync.matrix import Outcome
from sync.note import note
from sync.words import Failed

_GIVEN_BACK = "he takes back a delivery: the stop is before the driver it was given to"


async def leave(
    case: Case,
    stop: Stop,
    own: Account,
    ending: Failed,
    words: Sequence[Word],
    all_: Sequence[Account],
) -> Answer | None:
    """Leave the stop as it stands without this account, None where nothing stood without it.

    Another delivery counts from now on; or the office's cancel holds again; or the driver
    to whom it was given instead has it before him again, and a person is told.
    """
    other = next((a for a in all_ if a.delivered and a is not own), None)
    if other is not None:
        return await _count(case, stop, other)
    if cancelled(words):
        over = {"reason": ending.reason, "closed_at": case.when.happened}
        return await _reset(case, stop, StopState.CANCELLED, Outcome.APPLIED, over)
    holder = await visits.other_holder(case.tx, stop, case.device.driver_id)
    if holder is None or any(a.driver == str(holder) for a in all_):
        return None  # nobody else was to go there, or he was, and failed too
    there = StopState.ARRIVED if stop.arrived_at is not None else StopState.RELEASED
    change = {"manifest_driver_id": holder}
    return await _reset(case, stop, there, Outcome.CONFLICT, change, _GIVEN_BACK)


async def _count(case: Case, stop: Stop, other: Account) -> Answer:
    """Let the delivery that was kept beside this one be how the visit ended."""
    word = other.counts
    policy = await segments.policy(case.tx, stop.segment, stop.policy_version)
    claim = service.claim_of(word.ending, word.body, word.fix, UUID(word.actor_id))
    if claim is None:
        raise LookupError(f"{word.ending} claims nothing")
    door = await known_door(case.tx, stop)
    verdict = await service.weigh(case.tx, stop, claim, policy=policy, door=door)
    change: dict[str, object] = {
        "method": claim.method.value if claim.method else None,
        "recipient": claim.name or None,
        "closed_at": word.happened,
        "closed_by": word.id,
    }
    if stop.proof != ProofState.WAIVED:
        due = service.evidence_due(policy, verdict, moment(case.tx))
        change |= {"proof": verdict.state.value, "evidence_due_at": due}
    findings = tuple(service.findings_to_wire(verdict.findings))
    entry = await note(case, stop, Outcome.APPLIED, change, findings)
    return Answer(Outcome.APPLIED, None, None, stop, entry, findings)


async def _reset(
    case: Case,
    stop: Stop,
    state: StopState,
    outcome: Outcome,
    more: Mapping[str, object],
    detail: str | None = None,
) -> Answer:
    """Put the stop back to where it stood before goods were said to have changed hands."""
    change = {
        "state": state.value,
        "proof": ProofState.NONE.value,
        "method": None,
        "reason": None,
        "recipient": None,
        "closed_at": None,
        "closed_by": None,
        "evidence_due_at": None,
        **more,
    }
    entry = await note(case, stop, outcome, change)
    if "manifest_driver_id" in more:  # the route of who has it again lists one stop more
        listed = Event("route.changed", Route, stop.route_id, cause=case.cause)
        await record(case.tx, case.actor, listed)
    await follow_stop(case.tx, case.actor, stop, cause=case.cause, amends=True)
    return Answer(outcome, None, detail, stop, entry)
