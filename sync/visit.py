"""What a mutation does to a stop: the matrix rules, and the ruling is carried out."""

from types import MappingProxyType

from backend.dispatch.follow_ups import open_follow_up
from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.domain.stop import StopState
from backend.store.visits import Told
from backend.tables.stops import Stop
from sync import closing, door, order
from sync.case import Answer, Case
from sync.correcting import correct
from sync.decide import Decision, Known, Said, decide, moves
from sync.door import ISSUED, was_good
from sync.kinds import Kind
from sync.matrix import Act, Ask, Fact, Outcome, Ruling, Situation
from sync.note import disown, name_evidence, note
from sync.words import (
    CodePresented,
    Corrected,
    Delivered,
    EvidenceAdded,
    Failed,
    Scanned,
    Skipped,
)


async def judge(case: Case, stop: Stop, known: Known, closed: Told | None) -> Answer:
    """Rule on a mutation about a stop whose row is held, and carry the ruling out."""
    decision = decide(_said(case), known, _facts(case, stop, known))
    await name_evidence(case.tx, case.device, case.heard, stop.id)
    body = case.mutation.body
    if isinstance(body, Corrected) and decision.ruling.effect:
        answer, decision = await correct(case, stop, body, known, closed, decision)
    else:
        answer = await _carry_out(case, stop, decision.ruling, closed)
    if answer.outcome is Outcome.REJECTED:
        await disown(case)
    if (item := _question(decision.ruling, answer)) is not None:
        detail = answer.detail or _DETAILS.get(item) or _told(case, decision)
        await _ask(case, stop, item, detail)
    opens, cause = decision.ruling.opens, case.heard.id
    if opens is not None and cause is not None and answer.outcome is Outcome.CONFLICT:
        await open_follow_up(case.tx, opens, stop.id, cause)
    return answer


def _said(case: Case) -> Said:
    body, frame = case.mutation.body, case.mutation.frame
    partly = isinstance(body, Delivered) and body.is_partial
    barcode = body.barcode if isinstance(body, Scanned) else None
    return Said(case.mutation.kind, frame.base, case.decisive, partly, barcode)


def _facts(case: Case, stop: Stop, known: Known) -> frozenset[Fact]:
    """Answer what a code that was issued anew makes of the one that was given."""
    body = case.mutation.body
    if not isinstance(body, Delivered):
        return frozenset()
    issued = [each.at for each in known.since(case.mutation.frame.base) if each.kind == ISSUED]
    old = was_good(case, stop, body, issued)
    return frozenset({Fact.OLD_CODE}) if old else frozenset()


def _question(ruling: Ruling, answer: Answer) -> InboxKind | None:
    """Name the one question that a person is asked; rejections are asked about elsewhere."""
    if answer.code == "correction_late":
        return InboxKind.CORRECTION
    if answer.outcome is Outcome.CONFLICT:
        return InboxKind.CONFLICT
    if answer.outcome in (Outcome.APPLIED, Outcome.RECORDED):
        return _ITEMS.get(ruling.asks)
    return None


def _told(case: Case, decision: Decision) -> str:
    """Word the question; what the office has mended since the failure can be tried again."""
    told, body = f"{case.mutation.kind} while {decision.situation}", case.mutation.body
    if not isinstance(body, Failed):
        return told
    mended = (body.reason, decision.situation) in _MENDED
    return f"{told}: {body.reason}{'; another attempt may succeed' if mended else ''}"


_MENDED = frozenset({("wrong_address", Situation.PLACE), ("closed", Situation.WINDOW)})
_ITEMS = MappingProxyType({Ask.CONFLICT: InboxKind.CONFLICT, Ask.NOTICE: InboxKind.NOTICE})
_DETAILS = MappingProxyType({InboxKind.CORRECTION: "The driver corrects himself after the window"})


async def _carry_out(case: Case, stop: Stop, ruling: Ruling, closed: Told | None) -> Answer:
    if ruling.outcome is Outcome.REJECTED:
        return Answer(Outcome.REJECTED, ruling.code)
    match case.mutation.body:
        case Delivered() | Failed() as ending:
            return await closing.close(case, stop, ruling, ending, closed)
        case CodePresented() as body:
            return await door.present(case, stop, body)
        case Skipped() if ruling.effect:
            return await order.skip(case, stop, ruling)
        case EvidenceAdded():
            return await _add_evidence(case, stop, ruling)
        case _:
            return await _keep(case, stop, ruling)


async def _add_evidence(case: Case, stop: Stop, ruling: Ruling) -> Answer:
    """More proof for an earlier event: judge the proof again."""
    entry = await note(case, stop, ruling.outcome)
    return Answer(ruling.outcome, None, None, stop, entry, await closing.prove(case, stop))


async def _keep(case: Case, stop: Stop, ruling: Ruling) -> Answer:
    """Keep the event on the timeline; an arrival moves the stop, and any may prove it."""
    change: dict[str, object] = {}
    if case.mutation.kind is Kind.STOP_ARRIVED:
        change = _arrival(case, stop, ruling)
    entry = await note(case, stop, ruling.outcome, change)
    findings = await closing.prove_if_it_may(case, stop)
    return Answer(ruling.outcome, ruling.code, None, stop, entry, findings)


def _arrival(case: Case, stop: Stop, ruling: Ruling) -> dict[str, object]:
    """Of two arrivals the earlier one counts, if our clocks say that it is.

    One at a visit that is over moves nothing.
    """
    at = case.when.happened
    if ruling.effect and moves(Act.ARRIVE, StopState(stop.state)):
        return {"state": StopState.ARRIVED.value, "arrived_at": at}
    merged = stop.state == StopState.ARRIVED and not ruling.effect and ruling.merges
    earlier = case.when.bounded and stop.arrived_at is not None and at < stop.arrived_at
    if merged and earlier:
        return {"arrived_at": at}
    return {"arrived_at": at} if ruling.effect and stop.arrived_at is None else {}


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
