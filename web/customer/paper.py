"""The customer's page as HTML: templates filled with words, times in the depot's own zone."""

from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from backend.domain.reasons import EXCEPTION_REASONS
from backend.store.tracking import Tracked
from pod.token import qr_svg
from web.customer.asked import LATEST_DAY
from web.customer.view import View
from web.customer.wire import TrackingOut

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# state → what happened, in the customer's words
_HEADLINES = MappingProxyType(
    {
        "ready": "We have your order",
        "needs_attention": "We have your order",
        "planned": "We are planning your delivery",
        "released": "Your delivery is planned",
        "out": "Your delivery is on its way",
        "arrived": "Your driver is here",
        "delivered": "Delivered",
        "failed": "We could not deliver",
        "again": "We could not deliver, and will try again",
        "returned": "On its way back to the sender",
        "cancelled": "This delivery was cancelled",
    }
)
_METHODS = MappingProxyType(
    {
        "handed_over": "Handed over in person",
        "safe_place": "Left in a safe place",
        "neighbour": "Left with a neighbour",
        "locker": "Left in a locker",
        "reception": "Handed in at the reception",
    }
)
_PROOFS = MappingProxyType(
    {
        "none": "No proof was required.",
        "awaited": "The driver's proof is still on its way to us.",
        "accepted": "The proof of this delivery is complete.",
        "refused": "The proof of this delivery is not complete. We are looking into it.",
        "waived": "A supervisor has confirmed this delivery.",
    }
)
_EVIDENCE = MappingProxyType(
    {"photo": "a photo", "signature": "a signature", "id_check": "an identity check"}
)
_THANKS = MappingProxyType(
    {
        "reschedule": "Thank you. We will look at the day you asked for.",
        "safe_place": "Thank you. The driver will see where to leave it.",
        "dispute": "Thank you for telling us. Somebody is going to look into it.",
    }
)


def track(
    token: str, tracked: Tracked, view: View, shown: TrackingOut, today: date, done: str
) -> str:
    """Return the page of a consignment."""
    zone = ZoneInfo(tracked.timezone)
    visit = tracked.visit
    step = _step(view, tracked)
    return _pages.get_template("track.html").render(
        token=token,
        reference=tracked.reference,
        step=step,
        headline=_HEADLINES.get(step, step),
        thanks=_THANKS.get(done),
        promise=_span(view.promise.start, view.promise.end, zone) if view.promise else None,
        eta=_eta(view, zone),
        expected=shown.expected,
        stops_away=shown.stops_away,
        code=shown.code,
        qr=Markup(qr_svg(shown.door)) if shown.door else None,  # noqa: S704 - our own shapes
        closed=_moment(visit.closed_at, zone) if visit and visit.closed_at else None,
        method=_METHODS.get(shown.method or ""),
        reason=_reason(shown.reason),
        proof=_PROOFS.get(shown.proof or "") if step == "delivered" else None,
        evidence=[_EVIDENCE[kind] for kind in shown.evidence if kind in _EVIDENCE],
        safe_place=tracked.safe_place,
        actions=shown.actions,
        first_day=today + timedelta(days=1),
        last_day=today + LATEST_DAY,
    )


def _step(view: View, tracked: Tracked) -> str:
    """Return the page's own word for the state: out, and to be tried again, are worth telling."""
    if view.is_out and view.state == "released":
        return "out"
    failed_before = tracked.visit is not None and tracked.visit.state == "failed"
    return "again" if failed_before and view.state in ("ready", "needs_attention") else view.state


def _reason(code: str | None) -> str | None:
    known = EXCEPTION_REASONS.get(code or "")
    return known.label if known else None


def nothing_here() -> str:
    """Return the page of a link that leads nowhere."""
    return _pages.get_template("gone.html").render()


def _eta(view: View, zone: ZoneInfo) -> str | None:
    if view.eta is None:
        return None
    return f"around {view.eta.astimezone(zone):%H:%M}" if view.eta_is_rough else _clock(view, zone)


def _clock(view: View, zone: ZoneInfo) -> str:
    assert view.eta is not None
    return f"{view.eta.astimezone(zone):%H:%M}"


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%A %-d %B, %H:%M}"


def _span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    first, last = start.astimezone(zone), end.astimezone(zone)
    if first.date() == last.date():
        return f"{first:%A %-d %B, %H:%M} to {last:%H:%M}"
    return f"{first:%A %-d %B, %H:%M} to {last:%A %-d %B, %H:%M}"
