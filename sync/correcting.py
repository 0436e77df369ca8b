"""The driver mends how he said a visit ended.

A correction mends its driver's own account of the visit (``sync.accounts``) and nobody else's. If
the stop stands as that account says, the stop changes with it, and a delivery that is taken back
leaves what stood without it (``sync.taking_back``). If it stands otherwise, only the account
changes, unless a failure becomes a delivery: that is a new fact, and judged like one.
"""

from datetime import timedelta

from msgspec.structs import replace

from backend.dispatch.follow_ups import withdraw
from backend.domain.policy import Policy
from backend.domain.reasons import EXCEPTION_REASONS
from backend.domain.stop import ProofState
from backend.store import segments, visits
from backend.store.database import moment
from backend.store.visits import Told, Word
from backend.tables.stops import Stop
from sync import closing, taking_back
from sync.accounts import Account, accounts
from sync.case import Answer, Case
from sync.decide import Decision, Known, Said, decide
from sync.door import answer_at_door
from sync.kinds import CORRECTABLE, Kind
from sync.matrix import RULINGS, Outcome
from sync.mutations import read_body, told
from sync.note import note
from sync.words import Corrected, Delivered, Failed

_UNWAIVED = "it changes what a supervisor had waived the proof of"


async def correct(
    case: Case,
    stop: Stop,
    corrected: Corrected,
    known: Known,
    closed: Told | None,
    decision: Decision,
) -> tuple[Answer, Decision]:
    """Mend the driver's own account; too late, it is kept and a person decides.

    ``closed`` is what closed the stop. Returns the answer, and the decision it came by: that on
    the correction, or that on the delivery it tells of.
    """
    ending = _becomes(corrected)
    if isinstance(ending, Answer):
        return ending, decision
    words = await visits.words(case.tx, stop.id)
    all_ = accounts(words)
    own = next((a for a in all_ if a.driver == case.actor.id and a.word(corrected.corrects)), None)
    named = own.word(corrected.corrects) if own is not None else None
    if own is None or named is None:
        detail = "that event is not how this driver ended this visit"
        return Answer(Outcome.REJECTED, "nothing_to_correct", detail), decision
    policy = await segments.policy(case.tx, stop.segment, stop.policy_version)
    if _is_late(case, policy, named):
        entry = await note(case, stop, Outcome.RECORDED)
        findings = await closing.prove_if_it_may(case, stop)
        return Answer(Outcome.RECORDED, "correction_late", None, stop, entry, findings), decision
    stands = any(word.id == stop.closed_by for word in own.words)
    if isinstance(ending, Delivered) and not own.delivered and not stands:
        said = Said(Kind.STOP_DELIVERED, None, case.decisive, ending.is_partial)
        fact = decide(said, known)
        return await closing.close(case, stop, fact.ruling, ending, closed), fact
    if isinstance(ending, Failed) and own.delivered:
        doubles = sum(a.delivered for a in all_ if a is not own) > 1
        await withdraw(case.tx, case.actor, stop.id, own.causes, doubles=not doubles)
        if stands and (left := await taking_back.leave(case, stop, own, ending, words, all_)):
            return left, decision
    if not stands:
        return await closing.beside(case, stop, Outcome.APPLIED), decision
    return await _end_otherwise(case, stop, own, ending, decision)


async def _end_otherwise(
    case: Case, stop: Stop, own: Account, ending: Delivered | Failed, decision: Decision
) -> tuple[Answer, Decision]:
    """End the visit as he says now; a waiver holds for the end that it was given for."""
    unwaived = stop.proof == ProofState.WAIVED and own.delivered != isinstance(ending, Delivered)
    if unwaived:
        decision = decision._replace(ruling=RULINGS["AC"])
    outcome = decision.ruling.outcome
    door = await answer_at_door(case, stop, ending)
    answer = await closing.end(case, stop, outcome, ending, door, amends=True)
    return (replace(answer, detail=_UNWAIVED) if unwaived else answer), decision


def _becomes(corrected: Corrected) -> Delivered | Failed | Answer:
    """Read what the visit's end is to become."""
    try:
        kind = Kind(corrected.becomes.kind)
        ending = read_body(kind, 1, corrected.becomes.body)
    except ValueError as error:
        return Answer(Outcome.REJECTED, "correction_invalid", told(error))
    if kind not in CORRECTABLE or not isinstance(ending, Delivered | Failed):
        return Answer(Outcome.REJECTED, "correction_invalid", f"{kind} is not a way to end a visit")
    if isinstance(ending, Failed) and ending.reason not in EXCEPTION_REASONS:
        return Answer(Outcome.REJECTED, "reason_unknown", ending.reason)
    return ending


def _is_late(case: Case, policy: Policy, named: Word) -> bool:
    """Hold two estimates by our clocks against each other, or else two moments of receipt."""
    if case.when.bounded and named.bounded:
        between = case.when.happened - named.happened
    else:
        between = moment(case.tx) - named.known
    return between > timedelta(seconds=policy.undo_s)
