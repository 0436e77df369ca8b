"""Keep an event on a stop's timeline, and the files it names, whatever else it does."""

from collections.abc import Mapping
from uuid import UUID

from backend.audit.record import Event, record
from backend.identity.callers import CallingDevice
from backend.store import proofs
from backend.store.database import Tx
from backend.tables.stops import Stop
from pod import service
from sync.case import Case, wire
from sync.kinds import CORRECTABLE
from sync.matrix import Outcome
from sync.mutations import Fault, Heard, Mutation, read_body
from sync.words import Body, Corrected, Delivered


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


async def name_evidence(
    tx: Tx, device: CallingDevice, heard: Heard, stop_id: UUID, *, counts: bool = True
) -> None:
    """Keep which files an event names about a stop, in its list or in the body that ends a visit.

    Whatever its kind: before it is judged, since a verdict is drawn from what it names.
    """
    frame = heard.read.frame
    if heard.id is None or frame is None or not names_files(heard.read):
        return
    await service.name_evidence(
        tx,
        stop_id,
        device.driver_id,
        heard.id,
        evidence=[wire(item) for item in frame.evidence],
        signed=_signature(heard.read),
        counts=counts,
    )


async def disown(case: Case) -> None:
    """Let what was named prove nothing: the event was rejected."""
    if case.heard.id is not None and names_files(case.mutation):
        await proofs.discount(case.tx, case.device.driver_id, case.heard.id)


def names_files(read: Mutation | Fault) -> bool:
    """Whether what was read names a file, as far as it could be read."""
    return read.frame is not None and bool(read.frame.evidence or _signature(read))


def _signature(read: Mutation | Fault) -> str | None:
    """Return the hash of the file in which a signature is said to be, if it is in one."""
    body = _ending(read.body) if isinstance(read, Mutation) else None
    signature = body.signature if isinstance(body, Delivered) else None
    return signature.sha256 if signature else None


def _ending(body: Body) -> Body | None:
    """Return how a body says that a visit ended, in what a correction makes of it, too."""
    if not isinstance(body, Corrected):
        return body
    kind = next((kind for kind in CORRECTABLE if kind == body.becomes.kind), None)
    try:
        return read_body(kind, 1, body.becomes.body) if kind else None
    except (ValueError, OverflowError, RecursionError):
        return None
