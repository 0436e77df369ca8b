"""What a mutation does to a stop: the matrix rules, and the ruling is carried out."""

from uuid import UUID

from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.domain.stop import StopState
from backend.store import visits
from backend.store.visits import ClosedBy
from backend.tables.stops import Stop
from pod import service
from sync import closing, door
from sync.case import Answer, Case
from sync.decide import Known, decide, situation
from sync.kinds import Kind
from sync.matrix import Outcome, Ruling
from sync.note import name_evidence, note
from sync.words import CodePresented, Corrected, Delivered, EvidenceAdded, Failed


async def judge(case: Case, stop: Stop, known: Known, closed: ClosedBy | None) -> Answer:
    """Rule on a mutation about a stop whose row is held, and carry the ruling out."""
    base = case.mutation.frame.base
    ruling = decide(case.mutation.kind, base, known)
    asked = f"{case.mutation.kind} while {situation(base, known)}"
    answer = await _carry_out(case, stop, ruling, closed)
    if answer.outcome is Outcome.CONFLICT or (ruling.asks and answer.outcome is Outcome.RECORDED):
        await _ask(case, stop, InboxKind.CONFLICT, asked)
    if answer.code == "correction_late":
        await _ask(case, stop, InboxKind.CORRECTION, "The driver corrects himself after the window")
    return answer


async def _carry_out(case: Case, stop: Stop, ruling: Ruling, closed: ClosedBy | None) -> Answer:
    if ruling.outcome is Outcome.REJECTED:
        return Answer(Outcome.REJECTED, ruling.code)
    match case.mutation.body:
        case Delivered() | Failed() as ending:
            return await closing.close(case, stop, ruling, ending)
        case Corrected() as corrected:
            mends = await _closed_it(case, stop, corrected.corrects, closed)
            return await closing.correct(case, stop, corrected, mends=mends)
        case CodePresented() as body:
            return await door.present(case, stop, body)
        case EvidenceAdded():
            return await _add_evidence(case, stop, ruling)
        case _:
            return await _keep(case, stop, ruling)


async def _closed_it(case: Case, stop: Stop, named: UUID, closed: ClosedBy | None) -> bool:
    """Whether the named event is what closed the stop, or what was mended since then."""
    if closed is not None and closed.mutation_id == named:
        return True
    return await visits.has_closed(case.tx, stop.id, case.device.driver_id, named)


async def _add_evidence(case: Case, stop: Stop, ruling: Ruling) -> Answer:
    """More proof for an earlier event: name it, then judge the proof again."""
    await name_evidence(case, stop)
    entry = await note(case, stop, ruling.outcome)
    await case.tx.flush()
    verdict = await service.settle(case.tx, case.actor, stop.id, cause=case.cause)
    findings = tuple(service.findings_to_wire(verdict.findings)) if verdict else ()
    return Answer(ruling.outcome, None, None, stop, entry, findings)


async def _keep(case: Case, stop: Stop, ruling: Ruling) -> Answer:
    """Keep the event on the timeline; an arrival moves the stop as well."""
    arrives = ruling.moves and case.mutation.kind is Kind.STOP_ARRIVED
    arrival = {"state": StopState.ARRIVED.value, "arrived_at": case.when.happened}
    entry = await note(case, stop, ruling.outcome, arrival if arrives else None)
    return Answer(ruling.outcome, ruling.code, None, stop, entry)


async def _ask(case: Case, stop: Stop, kind: InboxKind, detail: str) -> None:
    await open_item(
        case.tx,
        kind=kind,
        subject=f"mutation:{case.heard.id}",
        detail=detail,
        stop_id=stop.id,
        device_id=case.device.id,
        mutation_id=case.heard.id,
    )
