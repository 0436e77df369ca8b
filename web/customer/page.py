"""``/t/{token}``: the same content as a page or as JSON, and three things a customer may ask."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path
from uuid import UUID

import msgspec
from litestar import Controller, MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from backend.clock import rfc3339
from backend.dispatch import wishes
from backend.domain.policy import CustomerAction, Policy
from backend.domain.stop import StopState
from backend.errors import NotFound, StateConflict, TooManyTries
from backend.ids import new_id
from backend.keys import Keys, tracking_hash
from backend.store import segments, tracking, tries
from backend.store.database import Database, Tx, moment
from backend.store.tracking import Tracked
from pod.door import customers_code
from web.customer import paper
from web.customer.asked import (
    AnyRequest,
    Dispute,
    Reschedule,
    SafePlace,
    read_wish,
    the_day,
    the_place,
)
from web.customer.view import View, view_of
from web.customer.wire import TrackingOut, WindowOut

TOKEN_LENGTH = 26  # 128 bits in base32
_WISHES = 20
_WISHES_WINDOW = timedelta(hours=1)
_CSS = (Path(__file__).parent / "assets" / "track.css").read_bytes()

SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept",
}


class TrackingNotFound(NotFound):
    """The link leads nowhere: never existed, or mistyped."""

    code = "tracking_not_found"
    title = "This link leads nowhere"


class ActionNotOffered(StateConflict):
    """The segment does not offer this, or not at this stage."""

    code = "action_not_offered"
    title = "This is not possible for this delivery now"


@dataclass(frozen=True, slots=True)
class Found:
    """A consignment, the policy that speaks for it, and what of it is shown now."""

    tracked: Tracked
    policy: Policy
    view: View


class TrackingController(Controller):
    """The customer's page."""

    opt = {"public": True}  # noqa: RUF012 - the framework's own way

    @get("/assets/track.css", media_type=MediaType.CSS, include_in_schema=False)
    async def style(self) -> Response[bytes]:
        """Return the page's one style sheet."""
        headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(_CSS, media_type="text/css", headers=headers)

    @get("/{token:str}", operation_id="track")
    async def page(
        self,
        request: AnyRequest,
        token: FromPath[str],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        done: FromQuery[str] = "",
    ) -> Response[bytes]:
        """Show where the goods are."""
        try:
            async with db.snapshot() as tx:
                found = await _find(tx, token)
                shown, today = await _show(tx, keys, found), moment(tx).date()
        except TrackingNotFound:
            if wants_json(request):
                raise
            return _html(paper.nothing_here(), 404)
        if wants_json(request):
            return _json(shown)
        return _html(paper.track(token, found.tracked, found.view, shown, today, done))

    @post("/{token:str}/reschedule", operation_id="askForAnotherDay")
    async def reschedule(
        self, request: AnyRequest, token: FromPath[str], db: NamedDependency[Database]
    ) -> Response[bytes]:
        """Ask for another day."""
        await _offered(db, token, CustomerAction.RESCHEDULE)
        wish = await read_wish(request, Reschedule)
        async with db.begin() as tx:
            asking = await _asking(tx, token, CustomerAction.RESCHEDULE)
            day = the_day(wish, moment(tx).date())
            await wishes.ask_for_another_day(tx, asking, day, wish.note)
        return _thanks(request, token, "reschedule")

    @post("/{token:str}/safe-place", operation_id="chooseSafePlace")
    async def safe_place(
        self, request: AnyRequest, token: FromPath[str], db: NamedDependency[Database]
    ) -> Response[bytes]:
        """Say where goods may be left."""
        await _offered(db, token, CustomerAction.SAFE_PLACE)
        place = the_place(await read_wish(request, SafePlace))
        async with db.begin() as tx:
            asking = await _asking(tx, token, CustomerAction.SAFE_PLACE)
            await wishes.choose_safe_place(tx, asking, place)
        return _thanks(request, token, "safe_place")

    @post("/{token:str}/dispute", operation_id="disputeDelivery")
    async def dispute(
        self, request: AnyRequest, token: FromPath[str], db: NamedDependency[Database]
    ) -> Response[bytes]:
        """Say that the goods did not arrive."""
        await _offered(db, token, CustomerAction.DISPUTE)
        wish = await read_wish(request, Dispute)
        async with db.begin() as tx:
            asking = await _asking(tx, token, CustomerAction.DISPUTE)
            await wishes.dispute(tx, asking, wish.note)
        return _thanks(request, token, "dispute")


async def _find(tx: Tx, token: str) -> Found:
    """Find what a link leads to, under the policy its visit was released with.

    Raises:
        TrackingNotFound: nothing.
    """
    if len(token) != TOKEN_LENGTH or not token.isascii():
        raise TrackingNotFound
    tracked = await tracking.find(tx, tracking_hash(token))
    if tracked is None:
        raise TrackingNotFound
    if tracked.visit is not None:
        policy = await segments.policy(tx, tracked.segment, tracked.visit.policy_version)
    else:
        policy = (await segments.current(tx, [tracked.segment]))[tracked.segment].policy
    return Found(tracked, policy, view_of(tracked, policy, moment(tx)))


async def _show(tx: Tx, keys: Keys, found: Found) -> TrackingOut:
    view, visit = found.view, found.tracked.visit
    code, door, away = None, None, None
    if visit is not None and view.shows_door:
        code, door = customers_code(keys, visit.stop_id, visit.door_issue)
    if visit is not None and view.is_out and found.policy.tracking.stops_away:
        away = await tracking.stops_before(tx, visit)
    ended = visit if view.proof is not None else None
    evidence = await tracking.proof_kinds(tx, ended.stop_id) if ended else []
    delivered = ended.closed_at if ended and ended.state == StopState.DELIVERED else None
    return TrackingOut(
        state=view.state,
        segment=view.segment,
        promise=_window(view),
        eta=rfc3339(view.eta) if view.eta else None,
        code=code,
        door=door,
        proof=view.proof,
        actions=[action.value for action in view.actions],
        delivered_at=rfc3339(delivered) if delivered else None,
        method=ended.method if ended else None,
        reason=ended.reason if ended else None,
        evidence=evidence,
        stops_away=away,
        expected=view.expected,
    )


def _window(view: View) -> WindowOut | None:
    promise = view.promise
    return WindowOut(rfc3339(promise.start), rfc3339(promise.end)) if promise else None


async def _offered(db: Database, token: str, action: CustomerAction) -> Found:
    """Find what a link leads to and check that it offers this, before anything is read.

    Raises:
        TrackingNotFound: the link leads nowhere.
        ActionNotOffered: not for this delivery, or not now.
    """
    async with db.snapshot() as tx:
        return await _offering(tx, token, action)


async def _offering(tx: Tx, token: str, action: CustomerAction) -> Found:
    found = await _find(tx, token)
    if action not in found.view.actions:
        raise ActionNotOffered
    return found


async def _asking(tx: Tx, token: str, action: CustomerAction) -> wishes.Asking:
    """Check that the link leads somewhere, that it offers this, and that it is not overused.

    Raises:
        TrackingNotFound: the link leads nowhere.
        ActionNotOffered: not for this delivery, or not now.
        TooManyTries: asked too often within the hour.
    """
    found = await _offering(tx, token, action)
    tracked, now = found.tracked, moment(tx)
    key = f"wish:{tracked.consignment_id}"
    wait = await tries.reserve(tx, key, now, limit=_WISHES, window=_WISHES_WINDOW)
    if wait is not None:
        raise TooManyTries(headers={"Retry-After": str(max(1, ceil(wait.total_seconds())))})
    stop_id: UUID | None = tracked.visit.stop_id if tracked.visit else None
    return wishes.Asking(tracked.consignment_id, tracked.depot_id, stop_id, new_id())


def _thanks(request: AnyRequest, token: str, done: str) -> Response[bytes]:
    """Answer a program with what was noted; send a browser back to the page."""
    if wants_json(request):
        noted = msgspec.json.encode({"noted": done})
        return Response(noted, status_code=202, media_type=MediaType.JSON, headers=SAFE_HEADERS)
    headers = {**SAFE_HEADERS, "Location": f"/t/{token}?done={done}"}
    return Response(b"", status_code=303, media_type=MediaType.TEXT, headers=headers)


def wants_json(request: AnyRequest) -> bool:
    """Tell whether the caller is a program; a browser names text/html first."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _json(shown: TrackingOut) -> Response[bytes]:
    content = msgspec.json.encode(shown)
    return Response(content, media_type=MediaType.JSON, headers=SAFE_HEADERS)


def _html(content: str, status: int = 200) -> Response[bytes]:
    return Response(
        content.encode(), status_code=status, media_type=MediaType.HTML, headers=SAFE_HEADERS
    )
