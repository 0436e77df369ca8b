"""The page of one stop: its proof, its timeline, and the way to override it."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from backend.dispatch.override import CORRECTION, can_amend
from backend.domain.people import Role
from backend.domain.reasons import OVERRIDE_REASONS, OverrideReason
from backend.domain.stop import StopState
from backend.errors import DoorstepError, NotFound
from backend.identity.people import SignedIn
from backend.ids import new_id
from backend.store import board, follow_ups, timeline
from backend.store.database import Database
from web.console.forms import Form, read_form, shaped
from web.console.overrides import OverrideIn, confirm_override, make_override
from web.console.paper import SAID, Html, go, paint
from web.console.way_in import PlainRequest, may_change, reader_of, reading
from web.paths import the_id
from web.scope import must_see_stop


class StopPageController(Controller):
    """One stop."""

    include_in_schema = False

    @get("/stops/{stop_id:str}")
    async def stop(
        self,
        request: PlainRequest,
        stop_id: FromPath[str],
        db: NamedDependency[Database],
        said: FromQuery[str] = "",
    ) -> Html:
        """Show a stop, its proof, its timeline, and the way to override it."""
        person = await reading(request, db)
        return await _stop_page(request, db, person, the_id(stop_id), said=SAID.get(said, ""))

    @post("/stops/{stop_id:str}/override")
    async def override(
        self, request: PlainRequest, stop_id: FromPath[str], db: NamedDependency[Database]
    ) -> Html:
        """Override a stop; what is wrong with the form is told beside it."""
        form, known = await read_form(request, db), the_id(stop_id)
        async with db.snapshot() as tx:
            await must_see_stop(tx, form.person, known)
        form.person.must_be(Role.SUPERVISOR)
        try:
            done = await make_override(db, form.person, known, _wish(form))
        except DoorstepError as error:
            return await _stop_page(request, db, form.person, known, form=form, error=error)
        said = "waits" if done.state == "awaiting_second" else "overridden"
        return go(f"/console/stops/{known}?said={said}")

    @post("/overrides/{override_id:str}/confirm")
    async def confirm(
        self, request: PlainRequest, override_id: FromPath[str], db: NamedDependency[Database]
    ) -> Html:
        """Confirm an override as the second person."""
        form = await read_form(request, db)
        form.person.must_be(Role.SUPERVISOR)
        done = await confirm_override(db, form.person, the_id(override_id))
        return go(f"/console/stops/{done.stop.id}?said=confirmed")


async def _stop_page(
    request: PlainRequest,
    db: Database,
    person: SignedIn,
    stop_id: UUID,
    *,
    said: str = "",
    form: Form | None = None,
    error: DoorstepError | None = None,
) -> Html:
    async with db.snapshot() as tx:
        ground = await must_see_stop(tx, person, stop_id)
        stop = await board.stop(tx, stop_id)
        route = await board.route(tx, ground.route_id)
        if stop is None or route is None:
            raise NotFound
        filled: dict[str, object] = {
            "stop": stop,
            "route": route,
            "zone": route.timezone,
            "parcels": await board.parcels(tx, stop.consignment_id),
            "evidence": await timeline.evidence_of(tx, stop_id),
            "timeline": await timeline.timeline(tx, stop_id),
            "overrides": await board.overrides(tx, stop_id),
            "tasks": await follow_ups.of_stop(tx, stop_id),
        }
        reader = await reader_of(tx, request, person)
    return paint(
        "stop.html",
        reader,
        status=error.status if error else 200,
        said=said,
        may_override=may_change(person) and bool(_choices(stop)),
        choices=_choices(stop),
        key=form.text("idempotency_key") if form else str(new_id()),
        fault=_told(error) if error else "",
        typed=dict(form.fields) | {"proof": form.text("proof")} if form else _UNTYPED,
        **filled,
    )


_UNTYPED = MappingProxyType({"what": "", "note": "", "proof": ""})
_REACHABLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "planned": ("cancelled",),
        "released": ("delivered", "failed", "cancelled"),
        "arrived": ("delivered", "failed", "cancelled", "released"),
    }
)


def _choices(stop: board.StopRow) -> dict[str, list[OverrideReason]]:
    """Return what the stop can become, with the reasons that justify each end."""
    state = StopState(stop.state)
    ends = list(_REACHABLE.get(stop.state, ()))
    if stop.state in ("delivered", "failed") and stop.proof in ("none", "awaited", "refused"):
        ends = [stop.state]
    choices = {end: [r for r in OVERRIDE_REASONS.values() if end in r.to] for end in ends}
    amended = [end for end in ("delivered", "failed") if can_amend(state, StopState(end))]
    return choices | {end: [OVERRIDE_REASONS[CORRECTION]] for end in amended}


def _wish(form: Form) -> OverrideIn:
    to, _, reason = form.text("what").partition(":")
    return shaped(
        {
            "to": to,
            "reason": reason,
            "note": form.text("note"),
            "proof": form.text("proof") or None,
            "idempotency_key": form.text("idempotency_key"),
        },
        OverrideIn,
    )


def _told(error: DoorstepError) -> str:
    return "; ".join(fault.detail for fault in error.errors) or error.detail
