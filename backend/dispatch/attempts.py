"""A consignment outlives its visits: what the end of one means for it, and who is told."""

from datetime import date as date_
from datetime import timedelta
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.inbox import open_item
from backend.domain.attempts import after_failure
from backend.domain.consignment import ConsignmentState
from backend.domain.inbox import InboxKind
from backend.domain.people import Actor
from backend.domain.policy import Milestone, Policy
from backend.domain.stop import StopState
from backend.notify import tell
from backend.store import dispatch as store
from backend.store import segments
from backend.store.database import Tx, moment
from backend.tables.consignments import Consignment
from backend.tables.stops import Stop


async def follow_stop(
    tx: Tx, actor: Actor, stop: Stop, *, cause: str | None = None, amends: bool = False
) -> None:
    """Carry a stop's end over to its consignment, and tell the customer.

    Call it after the stop was recorded. A settled consignment stays as it is unless the end was a
    delivery (facts win) or ``amends`` an earlier one.
    """
    ended = StopState(stop.state)
    consignment = await store.lock_consignment(tx, stop.consignment_id)
    settled = ConsignmentState(consignment.state).is_settled
    if settled and ended is not StopState.DELIVERED and not amends:
        return
    policy = await segments.policy(tx, stop.segment, stop.policy_version)
    match ended:
        case StopState.DELIVERED:
            await _delivered(tx, actor, consignment, stop, cause)
            tell(tx, policy, Milestone.DELIVERED, consignment, stop.id)
        case StopState.FAILED:
            await _failed(tx, actor, consignment, stop, policy, cause)
            tell(tx, policy, Milestone.FAILED, consignment, stop.id)
        case StopState.CANCELLED:
            change: dict[str, object] = {"state": ConsignmentState.CANCELLED.value}
            await _record(tx, actor, "consignment.cancelled", consignment.id, change, cause)
            tell(tx, policy, Milestone.FAILED, consignment, stop.id, event="stop.cancelled")
        case _ if amends and settled:
            out: dict[str, object] = {"state": ConsignmentState.RELEASED.value}
            await _record(tx, actor, "consignment.released", consignment.id, out, cause)
        case _:
            pass


async def _delivered(
    tx: Tx, actor: Actor, consignment: Consignment, stop: Stop, cause: str | None
) -> None:
    change: dict[str, object] = {
        "state": ConsignmentState.DELIVERED.value,
        "attempts": max(consignment.attempts, stop.attempt),
    }
    if any(getattr(consignment, name) != value for name, value in change.items()):
        await _record(tx, actor, "consignment.delivered", consignment.id, change, cause)
    await _ask_about_other_visits(tx, consignment, stop)


async def _ask_about_other_visits(tx: Tx, consignment: Consignment, stop: Stop) -> None:
    """The goods are there, and somebody may still be on the way with nothing to bring."""
    if await store.has_open_stop(tx, consignment.id, besides=stop.id):
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=f"revisit:{consignment.id}",
            detail="Delivered, while another visit of the same consignment is still planned",
            stop_id=stop.id,
        )


async def _failed(
    tx: Tx, actor: Actor, consignment: Consignment, stop: Stop, policy: Policy, cause: str | None
) -> None:
    attempts = max(consignment.attempts, stop.attempt)
    after = after_failure(attempts, policy.attempts)
    change: dict[str, object] = {"state": after.value, "attempts": attempts}
    if after is ConsignmentState.READY:
        change |= _next_day(tx, consignment, await store.date_of(tx, stop.route_id))
    await _record(tx, actor, "consignment.attempt_failed", consignment.id, change, cause)
    if after is ConsignmentState.NEEDS_ATTENTION:
        await open_item(
            tx,
            kind=InboxKind.ATTEMPTS_EXHAUSTED,
            subject=f"attempts:{consignment.id}",
            detail=f"Every attempt failed; goes to: {policy.attempts.fallback.value}",
            stop_id=stop.id,
        )


def _next_day(tx: Tx, consignment: Consignment, visited: date_) -> dict[str, object]:
    """Lay the promise on the day after the visit, or on today where it was heard of late."""
    date = max(visited + timedelta(days=1), moment(tx).date())
    later = date - consignment.service_date
    start, end = consignment.window_start, consignment.window_end
    return {
        "service_date": date,
        "window_start": start and start + later,
        "window_end": end and end + later,
    }


async def _record(
    tx: Tx, actor: Actor, action: str, id_: UUID, change: dict[str, object], cause: str | None
) -> None:
    await record(tx, actor, Event(action, Consignment, id_, change, cause=cause))
