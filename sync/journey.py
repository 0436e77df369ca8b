"""What a mutation does to a route: it starts, it ends, or its order is to be another."""

from types import MappingProxyType
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.departure import tell_of_departure
from backend.domain.route import RouteState
from backend.domain.stop import StopState
from backend.store import visits
from backend.tables.plans import Route
from backend.tables.stops import Stop
from sync.case import Answer, Case
from sync.decide import Holder, decide_route
from sync.kinds import Kind
from sync.matrix import Outcome
from sync.words import Resequenced


async def judge(case: Case, route: Route) -> Answer:
    """Rule on a mutation about a route whose row is held."""
    if isinstance(case.mutation.body, Resequenced):
        return await _resequence(case, route, case.mutation.body.stop_ids)
    holder = _holder(case, route)
    change = {} if holder is Holder.OTHER else _progress(case, RouteState(route.state))
    ruling = decide_route(
        case.mutation.kind, holder, already=_says_nothing_new(case, holder, change)
    )
    if ruling.outcome is Outcome.REJECTED:
        return Answer(Outcome.REJECTED, ruling.code, "the route was closed meanwhile")
    if not ruling.effect:
        return await _record(case, route, _earlier(case, route, holder), ruling.outcome)
    if change.get("state") == RouteState.STARTED:
        await tell_of_departure(case.tx, route.id)
    return await _record(case, route, change, ruling.outcome)


def _holder(case: Case, route: Route) -> Holder:
    """A day that was closed took the route off the manifest, not from its driver."""
    if route.manifest_driver_id is None and route.driver_id == case.device.driver_id:
        return Holder.LEFT
    mine = route.manifest_driver_id == case.device.driver_id
    return Holder.SELF if mine else Holder.OTHER


def _says_nothing_new(case: Case, holder: Holder, change: dict[str, object]) -> bool:
    """Who says that a closed route is over says what the office said."""
    return not change or (holder is Holder.LEFT and case.mutation.kind is Kind.ROUTE_FINISHED)


_TIMES = MappingProxyType({Kind.ROUTE_STARTED: "started_at", Kind.ROUTE_FINISHED: "finished_at"})


def _earlier(case: Case, route: Route, holder: Holder) -> dict[str, object]:
    """Of two that tell the same the earlier one counts, if our clocks say that it is."""
    name = _TIMES[case.mutation.kind]
    known = getattr(route, name)
    late = known is not None and case.when.bounded and case.when.happened < known
    return {name: case.when.happened} if late and holder is not Holder.OTHER else {}


def _progress(case: Case, state: RouteState) -> dict[str, object]:
    """Return what starting or ending changes; nothing where that was known already."""
    if case.mutation.kind is Kind.ROUTE_STARTED and state is RouteState.RELEASED:
        return {"state": RouteState.STARTED.value, "started_at": case.when.happened}
    if case.mutation.kind is Kind.ROUTE_FINISHED and state.is_out:
        return {"state": RouteState.FINISHED.value, "finished_at": case.when.happened}
    return {}


async def _record(case: Case, route: Route, change: dict[str, object], outcome: Outcome) -> Answer:
    kind = case.mutation.kind.value
    event = Event(kind, Route, route.id, change, occurred=case.when.happened, cause=case.cause)
    await record(case.tx, case.actor, event)
    return Answer(outcome, row=route, entry=route.entry)


async def _resequence(case: Case, route: Route, wished: list[UUID]) -> Answer:
    """An intent: it loses to any later change of the plan, and must name every open stop."""
    base = case.mutation.frame.base
    office = await visits.route_office_version(case.tx, route.id)
    changed = base is not None and base < office
    ruling = decide_route(case.mutation.kind, _holder(case, route), changed=changed)
    if ruling.outcome is Outcome.REJECTED:
        return Answer(Outcome.REJECTED, ruling.code, "the plan was changed meanwhile")
    open_ = [stop for stop in await visits.route_stops(case.tx, route.id) if _is_open(stop, case)]
    if len(set(wished)) != len(wished) or not {stop.id for stop in open_} <= set(wished):
        return Answer(Outcome.REJECTED, "sequence_invalid", "name every open stop once")
    places = sorted(stop.sequence for stop in open_)
    order = {id_: place for place, id_ in enumerate(wished)}
    for stop, place in zip(sorted(open_, key=lambda s: order[s.id]), places, strict=True):
        if stop.sequence != place:
            event = Event("stop.resequenced", Stop, stop.id, {"sequence": place}, cause=case.cause)
            await record(case.tx, case.actor, event)
    return await _record(case, route, {}, Outcome.APPLIED)


def _is_open(stop: Stop, case: Case) -> bool:
    mine = stop.manifest_driver_id == case.device.driver_id
    return mine and not StopState(stop.state).is_final
