"""Keep an event on a stop's timeline, and the files it names, whatever else it does."""

from collections.abc import Mapping

from backend.audit.record import Event, record
from backend.tables.stops import Stop
from pod import service
from sync.case import Case, wire
from sync.matrix import Outcome
from sync.words import Delivered, Failed


async def note(
    case: Case,
    stop: Stop,
    outcome: Outcome,
    change: Mapping[str, object] | None = None,
    findings: tuple[dict[str, str], ...] = (),
) -> bytes | None:
    """Record the event about a stop, with what it changes there; return its entry."""
    event = Event(
        case.mutation.kind.value,
        Stop,
        stop.id,
        change or {},
        occurred=case.when.happened,
        cause=case.cause,
        evidence=tuple(item["sha256"] for item in case.evidence),
        witness=case.witness(outcome, findings=findings),
    )
    return (await record(case.tx, case.actor, event)).entry


async def name_evidence(case: Case, stop: Stop, ending: Delivered | Failed | None = None) -> None:
    """Keep which files the event names, in its list or in the body that ends the visit."""
    if case.heard.id is not None:
        await service.name_evidence(
            case.tx,
            stop.id,
            case.device.driver_id,
            case.heard.id,
            evidence=case.evidence,
            body=wire(ending) if ending else None,
        )
