"""What a customer gave at the door, as a mutation carries it."""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType

from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.tables.stops import Stop
from pod import service
from pod.door import Given, customers_code, known_door, try_door
from pod.evidence import Check, DoorFacts
from sync.case import Answer, Case
from sync.matrix import Outcome
from sync.note import note
from sync.words import CodePresented, Delivered, Failed

ISSUED = "door.issued"
_CODES = MappingProxyType(
    {
        Check.WRONG: "wrong",
        Check.LOCKED: "locked",
        Check.SPENT: "spent",
        Check.EXPIRED: "expired",
    }
)


async def answer_at_door(
    case: Case, stop: Stop, body: Delivered | Failed | CodePresented
) -> DoorFacts:
    """Try the code and QR in a body, if there are any.

    A code's expiry is judged at the estimated time of the event where our clocks bound it, else at
    the time of receipt.
    """
    code = None if isinstance(body, Failed) else body.code
    qr = None if isinstance(body, Failed) else body.door_token
    if case.heard.id is None or (code is None and qr is None):
        return await known_door(case.tx, stop)
    given = Given(
        by=case.heard.id, at=case.decisive, code=code, qr=qr, uncertain=not case.when.bounded
    )
    return await try_door(case.tx, case.keys, stop, given)


def was_good(case: Case, stop: Stop, body: Delivered, issued: Sequence[datetime]) -> bool:
    """Whether a code was given that was good when it was given, and has been replaced since.

    Where none of our clocks says when, it may have been.
    ``issued`` tells when the codes were issued that the driver could not know.
    """
    for back, replaced in enumerate(reversed(issued), 1):
        issue = stop.door_issue - back
        known = customers_code(case.keys, stop.id, issue) if issue > 0 else ()
        if {body.code, body.door_token} & set(known):
            return not case.when.bounded or case.when.happened <= replaced
    return False


async def present(case: Case, stop: Stop, body: CodePresented) -> Answer:
    """Take in a code or QR on its own; a wrong one is recorded and says how many tries are left."""
    door = await answer_at_door(case, stop, body)
    code = _code(door)
    outcome = Outcome.RECORDED if code else Outcome.APPLIED
    detail = f"{door.tries_left} tries left" if code and door.code is not Check.ABSENT else None
    findings = ({"code": code, "severity": "warn", "detail": detail or ""},) if code else ()
    entry = await note(case, stop, outcome, findings=findings)
    await case.tx.flush()
    await ask_if_locked(case, stop, door)
    await service.settle(case.tx, case.actor, stop.id, cause=case.cause)
    return Answer(outcome, code, detail, stop, entry, findings)


def _code(door: DoorFacts) -> str | None:
    """Name what is wrong with what was given, if anything is."""
    if door.token in _CODES:
        return f"door_token_{_CODES[door.token]}"
    return f"code_{_CODES[door.code]}" if door.code in _CODES else None


async def ask_if_locked(case: Case, stop: Stop, door: DoorFacts) -> None:
    """Tell a supervisor when a stop's codes are no longer compared."""
    if door.code is Check.LOCKED:
        await open_item(
            case.tx,
            kind=InboxKind.CODE_LOCKED,
            subject=f"code:{stop.id}",
            detail="Five wrong codes were given at this stop; none is compared any more.",
            stop_id=stop.id,
            device_id=case.device.id,
            mutation_id=case.heard.id,
        )
