"""The driver mends how he said a visit ended."""

from datetime import timedelta
from uuid import UUID

from backend.dispatch.attempts import follow_stop
from backend.dispatch.follow_ups import withdraw
from backend.domain.follow_up import FollowUpKind
from backend.domain.policy import Policy
from backend.domain.reasons import EXCEPTION_REASONS
from backend.domain.stop import ProofState, StopState
from backend.store import follow_ups, segments
from backend.store.visits import Told
from backend.tables.stops import Stop
from sync.case import Answer, Case
from sync.closing import end, prove_if_it_may
from sync.door import answer_at_door
from sync.kinds import CORRECTABLE, Kind
from sync.matrix import Outcome
from sync.mutations import read_body, told
from sync.note import note
from sync.words import Corrected, Delivered, Failed


async def correct(
    case: Case, stop: Stop, corrected: Corrected, closed: Told | None, *, mends: bool
) -> Answer:
    """Mend the driver's own closing event; too late, it is kept and a person decides.

    ``closed`` is what closed the stop; ``mends``: the named event did, and it is this driver's.
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
    if _is_late(case, stop, policy, closed):
        entry = await note(case, stop, Outcome.RECORDED)
        findings = await prove_if_it_may(case, stop)
        return Answer(Outcome.RECORDED, "correction_late", None, stop, entry, findings)
    door = await answer_at_door(case, stop, ending)
    if isinstance(ending, Failed) and await _overcame_a_cancel(case, stop, corrected.corrects):
        return await _cancel_again(case, stop, ending, corrected.corrects)
    return await end(case, stop, Outcome.APPLIED, ending, door, amends=True)


def _is_late(case: Case, stop: Stop, policy: Policy, closed: Told | None) -> bool:
    """Hold two estimates against each other, or else two moments of receipt."""
    ended = stop.closed_at
    if closed is not None and not case.when.bounded:
        ended = closed.known
    return case.decisive - (ended or case.decisive) > timedelta(seconds=policy.undo_s)


async def _overcame_a_cancel(case: Case, stop: Stop, corrects: UUID) -> bool:
    """Whether the delivery that he takes back stood against a cancel: its follow-up tells."""
    return await follow_ups.is_open_or_done(case.tx, stop.id, FollowUpKind.RETURN, corrects)


async def _cancel_again(case: Case, stop: Stop, ending: Failed, corrects: UUID) -> Answer:
    """Let the cancel stand: nothing was delivered against it, so nothing has to come back."""
    change = {
        "state": StopState.CANCELLED.value,
        "proof": ProofState.NONE.value,
        "method": None,
        "reason": ending.reason,
        "recipient": None,
        "closed_at": case.when.happened,
        "closed_by": None,
        "evidence_due_at": None,
    }
    entry = await note(case, stop, Outcome.APPLIED, change)
    await follow_stop(case.tx, case.actor, stop, cause=case.cause, amends=True)
    await withdraw(case.tx, case.actor, FollowUpKind.RETURN, stop.id, corrects)
    return Answer(Outcome.APPLIED, None, None, stop, entry)
