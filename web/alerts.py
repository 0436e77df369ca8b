"""What is wrong right now, found by looking; the API and the console's page show the same."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from backend.domain.policy import Alerts
from backend.domain.stop import StopState
from backend.domain.watch import (
    IN_CONTACT,
    QUEUE_PATIENCE,
    Alert,
    AlertKind,
    is_off,
    minutes,
    off_by,
    overstepped,
)
from backend.identity.people import SignedIn
from backend.store import contact, segments
from backend.store import watch as store
from backend.store.database import Tx, moment

_USUAL = Alerts(30, 20, 20)


async def alerts(tx: Tx, person: SignedIn) -> list[Alert]:
    """Return what is wrong in the person's depots, longest first."""
    patience = {code: s.policy.alerts for code, s in (await segments.current(tx)).items()}
    found = [
        *await _visits(tx, person, patience),
        *await _owing(tx, person),
        *await _silent(tx, person, patience),
        *await _said(tx, person),
    ]
    return sorted(found, key=lambda alert: alert.since)


async def _visits(tx: Tx, person: SignedIn, patience: Mapping[str, Alerts]) -> list[Alert]:
    now, found = moment(tx), []
    for visit in await store.open_visits(tx, person.scope, now):
        limits = patience.get(visit.segment, _USUAL)
        where = {"route_id": visit.route_id, "stop_id": visit.stop_id}
        if overstepped(visit.window_end, now, limits.late_min):
            told = f"{minutes(visit.window_end, now)} min after the promised window"
            found.append(Alert(AlertKind.LATE, visit.window_end, told, **where))
        begun = visit.arrived_at if visit.state == StopState.ARRIVED else None
        if begun and overstepped(begun, now, limits.dwell_min):
            told = f"at the door for {minutes(begun, now)} min"
            found.append(Alert(AlertKind.DWELL, begun, told, **where))
    return found


async def _owing(tx: Tx, person: SignedIn) -> list[Alert]:
    now = moment(tx)
    return [
        Alert(
            AlertKind.EVIDENCE_OVERDUE,
            visit.due,
            f"evidence was due {minutes(visit.due, now)} min ago",
            visit.route_id,
            visit.stop_id,
        )
        for visit in await store.owing_evidence(tx, person.scope, now)
    ]


async def _silent(tx: Tx, person: SignedIn, patience: Mapping[str, Alerts]) -> list[Alert]:
    """A phone serves stops of many segments; the least patient one counts."""
    now = moment(tx)
    limit = min((alerts.silent_min for alerts in patience.values()), default=_USUAL.silent_min)
    return [
        Alert(
            AlertKind.SILENT,
            talker.seen_at,
            f"not heard of for {minutes(talker.seen_at, now)} min",
            talker.route_id,
            device_id=talker.device_id,
        )
        for talker in await store.devices_on_the_road(tx, person.scope)
        if overstepped(talker.seen_at, now, limit)
    ]


async def _said(tx: Tx, person: SignedIn) -> list[Alert]:
    """Phones in contact that keep old events back, or whose clock somebody should set."""
    now = moment(tx)
    heard = await contact.heard_since(tx, person.scope, now - IN_CONTACT)
    return [alert for phone in heard for alert in _of_phone(phone, now)]


def _of_phone(phone: contact.Heard, now: datetime) -> list[Alert]:
    found, ahead = [], timedelta(milliseconds=phone.skew_ms or 0)
    oldest = phone.oldest_pending_at - ahead if phone.pending and phone.oldest_pending_at else None
    if oldest is not None and now - oldest > QUEUE_PATIENCE:
        told = f"in contact, and {phone.pending} events unsent for {minutes(oldest, now)} min"
        found.append(Alert(AlertKind.UNSENT, oldest, told, phone.route_id, None, phone.device_id))
    if is_off(ahead):
        told = f"the phone's clock is {off_by(ahead)}"
        skewed = Alert(
            AlertKind.CLOCK_SKEW, phone.seen_at, told, phone.route_id, None, phone.device_id
        )
        found.append(skewed)
    return found
