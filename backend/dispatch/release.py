"""Release: a plan's routes become binding, and visible to their drivers. And the day's end."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.inbox import open_item
from backend.domain.consignment import ConsignmentState
from backend.domain.door import door_expires_at
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Actor
from backend.domain.policy import Milestone
from backend.domain.route import PlanState, RouteState
from backend.domain.segment import Segment
from backend.domain.stop import StopState
from backend.domain.transitions import Move, move
from backend.errors import NotFound, StateConflict
from backend.notify import tell
from backend.store import dispatch as store
from backend.store import segments
from backend.store.database import Tx, moment
from backend.tables.consignments import Consignment
from backend.tables.fleet import Shift
from backend.tables.plans import Plan, Route
from backend.tables.stops import Stop

# A van may come home late and sync later still; its manifest stays until then.
GRACE = dt.timedelta(hours=4)


class PlanNotDone(StateConflict):
    """Only a plan that was made and checked can be released."""

    code = "plan_not_done"
    title = "The plan is not done"


class PlanReplaced(StateConflict):
    """A later plan of the same day took its place."""

    code = "plan_superseded"
    title = "The plan was superseded by a later one"


@dataclass(frozen=True, slots=True)
class Released:
    """What a release put on the road."""

    routes: int = 0
    stops: int = 0


async def release_plan(tx: Tx, actor: Actor, plan_id: UUID) -> Released:
    """Make a plan's routes binding; releasing twice is harmless.

    Raises:
        NotFound: there is no such plan.
        PlanNotDone: it is queued, running or failed.
        PlanReplaced: a later plan superseded it.
    """
    plan = await store.lock_plan(tx, plan_id)
    if plan is None:
        raise NotFound
    if plan.released_at is not None:
        return Released()
    _refuse_unready(plan)
    routes = await store.route_ids(tx, plan_id)
    stops = await store.lock_stops(tx, routes)
    released = await _release_routes(tx, actor, await store.lock_routes(tx, routes), stops)
    plan.released_at = moment(tx)
    return released


def _refuse_unready(plan: Plan) -> None:
    if plan.superseded:
        raise PlanReplaced
    if plan.state != PlanState.DONE:
        raise PlanNotDone(f"the plan is {plan.state}")


async def _release_routes(
    tx: Tx, actor: Actor, routes: Sequence[Route], stops: Sequence[Stop]
) -> Released:
    ready = [route for route in routes if route.state == RouteState.PLANNED]
    shifts = await store.shifts(tx, {route.shift_id for route in ready})
    policies = await segments.current(tx, {stop.segment for stop in stops})
    consignments = await store.lock_consignments(tx, {stop.consignment_id for stop in stops})
    out = 0
    for route in ready:
        own = [stop for stop in stops if stop.route_id == route.id]
        wanted = await _without_settled(tx, actor, own, consignments)
        going = [stop for stop in wanted if move(StopState(stop.state), Move.RELEASE)]
        await _release_route(tx, actor, route, going)
        for stop in going:
            segment, consignment = policies[stop.segment], consignments[stop.consignment_id]
            await _release_stop(tx, actor, stop, route, shifts[route.shift_id], segment)
            await _release_consignment(tx, actor, consignment)
            tell(tx, segment.policy, Milestone.RELEASED, consignment, stop.id)
        out += len(going)
    return Released(len(ready), out)


async def _without_settled(
    tx: Tx, actor: Actor, stops: Sequence[Stop], consignments: Mapping[UUID, Consignment]
) -> list[Stop]:
    """Cancel visits whose consignment met its fate since the plan was made."""
    wanted = []
    for stop in stops:
        if not ConsignmentState(consignments[stop.consignment_id].state).is_settled:
            wanted.append(stop)
        elif stop.state == StopState.PLANNED:
            change = {"state": StopState.CANCELLED.value, "closed_at": moment(tx)}
            await record(tx, actor, Event("stop.cancelled", Stop, stop.id, change))
    return wanted


async def _release_route(tx: Tx, actor: Actor, route: Route, stops: Sequence[Stop]) -> None:
    change = {
        "state": RouteState.RELEASED.value,
        "manifest_driver_id": route.driver_id,
        "released_at": moment(tx),
    }
    await record(tx, actor, Event("route.released", Route, route.id, change))
    await store.assign_route(tx, route.driver_id, route.id)
    await store.assign(tx, route.driver_id, [stop.id for stop in stops], moment(tx))


async def _release_stop(
    tx: Tx, actor: Actor, stop: Stop, route: Route, shift: Shift, segment: Segment
) -> None:
    change: dict[str, object] = {
        "state": StopState.RELEASED.value,
        "manifest_driver_id": route.driver_id,
        "policy_version": segment.version,
    }
    if segment.policy.asks_for_code:
        change["door_issue"] = stop.door_issue + 1
        change["door_expires_at"] = door_expires_at(segment.policy, moment(tx), shift.ends_at)
    await record(tx, actor, Event("stop.released", Stop, stop.id, change))


async def _release_consignment(tx: Tx, actor: Actor, consignment: Consignment) -> None:
    if consignment.state == ConsignmentState.PLANNED:
        change = {"state": ConsignmentState.RELEASED.value}
        await record(tx, actor, Event("consignment.released", Consignment, consignment.id, change))


async def close_day(tx: Tx) -> int:
    """Take routes of past days off the manifests; return how many. Run again, it does nothing.

    A stop that nobody closed keeps its state, for its phone may still speak; a person is asked.
    """
    over = await store.over(tx, moment(tx), GRACE)
    stops = await store.lock_stops(tx, over)
    routes = await store.lock_routes(tx, over)
    off: Mapping[str, object] = {"manifest_driver_id": None}
    for stop in stops:
        if stop.manifest_driver_id is not None:
            await record(tx, SYSTEM, Event("stop.withdrawn", Stop, stop.id, off))
    for route in routes:
        await record(tx, SYSTEM, Event("route.withdrawn", Route, route.id, off))
        await _ask_about_unfinished(tx, route, [s for s in stops if s.route_id == route.id])
    return len(routes)


async def _ask_about_unfinished(tx: Tx, route: Route, stops: Sequence[Stop]) -> None:
    unfinished = [stop for stop in stops if not StopState(stop.state).is_final]
    if unfinished:
        await open_item(
            tx,
            kind=InboxKind.UNFINISHED,
            subject=f"unfinished:{route.id}",
            detail=f"{len(unfinished)} stops of the route of {route.date} were never closed",
            depot_id=route.depot_id,
            stop_id=unfinished[0].id,
        )
