"""What a customer sees at a given moment, from what is known and what the segment shows. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from backend.domain.consignment import ConsignmentState
from backend.domain.policy import CustomerAction, EtaShown, Policy
from backend.domain.stop import StopState
from backend.store.tracking import Tracked, Visit

_COARSE = timedelta(minutes=30)
_VISIBLE = (StopState.RELEASED, StopState.ARRIVED)
_OVER = (ConsignmentState.DELIVERED, ConsignmentState.RETURNED, ConsignmentState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when."""

    start: datetime
    end: datetime


class Expected(StrEnum):
    """What can honestly be said of the arrival: a time only while it is still to come."""

    AT = "at"
    SOON = "soon"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class View:
    """The page's content; what is None is not shown."""

    state: str
    segment: str
    promise: Window | None
    eta: datetime | None
    eta_is_rough: bool
    expected: Expected | None
    is_out: bool
    shows_door: bool
    proof: str | None
    actions: tuple[CustomerAction, ...]


def view_of(tracked: Tracked, policy: Policy, now: datetime) -> View:
    """Return what the customer may see and do now."""
    visit = tracked.visit
    is_out = visit is not None and is_under_way(visit, now)
    eta = _eta(visit, policy) if visit is not None and visit.state in _VISIBLE else None
    promise = _promise(tracked)
    ended = visit is not None and visit.state in (StopState.DELIVERED, StopState.FAILED)
    return View(
        state=_state(tracked),
        segment=tracked.segment,
        promise=promise,
        eta=eta,
        eta_is_rough=policy.tracking.eta is EtaShown.WINDOW,
        expected=_expected(visit, eta, promise, now),
        is_out=is_out,
        shows_door=is_out and policy.asks_for_code and visit is not None and visit.door_issue > 0,
        proof=visit.proof if ended and visit is not None else None,
        actions=tuple(a for a in policy.tracking.actions if _may(a, tracked)),
    )


def is_under_way(visit: Visit, now: datetime) -> bool:
    """The route is out, from its start or the shift's, and this visit is still to come."""
    started = visit.started_at is not None or now >= visit.shift_start
    return started and visit.state in _VISIBLE


def _state(tracked: Tracked) -> str:
    """Return the goods' state; the driver at the door is worth telling too."""
    if tracked.visit is not None and tracked.visit.state == StopState.ARRIVED:
        return StopState.ARRIVED.value
    return tracked.state


def _promise(tracked: Tracked) -> Window | None:
    """Return what was promised: the order's own window, else the visit's."""
    if tracked.window_start is not None and tracked.window_end is not None:
        return Window(tracked.window_start, tracked.window_end)
    if tracked.visit is not None:
        return Window(tracked.visit.window_start, tracked.visit.window_end)
    return None


def _eta(visit: Visit, policy: Policy) -> datetime | None:
    """Return the expected time as exactly as the segment tells it."""
    match policy.tracking.eta:
        case EtaShown.LIVE:
            return visit.eta
        case EtaShown.WINDOW:
            midnight = visit.eta.replace(hour=0, minute=0, second=0, microsecond=0)
            return midnight + _COARSE * round((visit.eta - midnight) / _COARSE)
        case EtaShown.NONE:
            return None


def _expected(
    visit: Visit | None, eta: datetime | None, promise: Window | None, now: datetime
) -> Expected | None:
    """Say how the arrival stands; nothing once the driver is there, or where no ETA is shown."""
    if visit is None or eta is None or visit.state == StopState.ARRIVED:
        return None
    if eta >= now:
        return Expected.AT
    return Expected.LATE if promise is not None and promise.end < now else Expected.SOON


def _may(action: CustomerAction, tracked: Tracked) -> bool:
    return _ALLOWED[action](tracked)


def _is_delivered(tracked: Tracked) -> bool:
    return tracked.state == ConsignmentState.DELIVERED


def _is_to_come(tracked: Tracked) -> bool:
    return tracked.state not in _OVER and tracked.state != ConsignmentState.FAILED


_ALLOWED = MappingProxyType(
    {
        CustomerAction.DISPUTE: _is_delivered,
        CustomerAction.SAFE_PLACE: _is_to_come,
        CustomerAction.RESCHEDULE: _is_to_come,
    }
)
