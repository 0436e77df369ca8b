"""A dispatcher's edits: move a stop to another route, pin it, put a route into another order.

What he arranged is pinned, so that later planning keeps it. Arrival times are counted again; told
windows stay as they are, and lateness shows where that no longer fits. Intents of drivers lose to
these edits, since each leaves its entry on the route.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from backend.audit.record import Event, record
from backend.dispatch.override import MoveNotAllowed, StopFinal
from backend.domain.geo import LatLon
from backend.domain.people import Actor
from backend.domain.route import RouteState
from backend.domain.stop import StopState
from backend.errors import InputError, Malformed, NotFound, StateConflict
from backend.store import dispatch, routes
from backend.store.database import Tx, moment
from backend.tables.plans import Route
from backend.tables.stops import Stop
from planner.matrix import CrowFlight, TravelTimes

MOVABLE = (StopState.PLANNED, StopState.RELEASED)
OUT = (RouteState.RELEASED, RouteState.STARTED)


class RouteNotFitting(StateConflict):
    """A stop moves between routes of one depot and day, both planned or both out."""

    code = "route_not_fitting"
    title = "The stop cannot move to this route"


class SequenceInvalid(Malformed):
    """An order names every open stop of its route exactly once."""

    code = "sequence_invalid"
    title = "The order must name every open stop of the route once"


@dataclass(frozen=True, slots=True)
class Held:
    """Routes and their stops, locked."""

    routes: Mapping[UUID, Route]
    stops: Sequence[Stop]

    def of(self, route_id: UUID) -> list[Stop]:
        """Return the stops of a route in order, those that are going to be or were made."""
        own = [s for s in self.stops if s.route_id == route_id and s.state != StopState.CANCELLED]
        return sorted(own, key=lambda stop: (stop.sequence, stop.id))


async def reassign(
    tx: Tx,
    actor: Actor,
    stop_id: UUID,
    route_id: UUID,
    position: int | None = None,
    times: TravelTimes | None = None,
) -> None:
    """Move a stop to a route, at a position (1 is the first) or where it adds least driving.

    Raises:
        NotFound: there is no such stop or route.
        StopFinal, MoveNotAllowed: the stop does not move any more.
        RouteNotFitting: the route is of another depot or day, or not as far as the stop's own.
    """
    ground = await dispatch.ground_of(tx, stop_id)
    if ground is None:
        raise NotFound
    held = await _hold(tx, {ground.route_id, route_id})
    stop = next((s for s in held.stops if s.id == stop_id and s.route_id == ground.route_id), None)
    target = held.routes.get(route_id)
    if target is None:
        raise NotFound
    if stop is None:
        raise RouteNotFitting("the stop was moved to another route meanwhile: look again")
    _must_fit(stop, held.routes[ground.route_id], target)
    times = times or CrowFlight()
    others = [other for other in held.of(route_id) if other.id != stop_id]
    index = await _index(tx, others, stop, target, position, times)
    await _move(tx, actor, stop, target, [*others[:index], stop, *others[index:]])
    for id_ in {ground.route_id, route_id}:
        await _retime(tx, actor, held.routes[id_], held.of(id_), times)
        await record(tx, actor, Event("route.changed", Route, id_))


async def pin(tx: Tx, actor: Actor, stop_id: UUID, *, pinned: bool = True) -> None:
    """Keep a stop on its route, or let later planning decide again.

    Raises:
        NotFound: there is no such stop.
        StopFinal: the visit is over.
    """
    stop = await dispatch.lock_stop(tx, stop_id)
    if stop is None:
        raise NotFound
    if StopState(stop.state).is_final:
        raise StopFinal(f"the stop is {stop.state}")
    if stop.pinned != pinned:
        action = "stop.pinned" if pinned else "stop.unpinned"
        await record(tx, actor, Event(action, Stop, stop.id, {"pinned": pinned}))


async def resequence(
    tx: Tx,
    actor: Actor,
    route_id: UUID,
    order: Sequence[UUID],
    times: TravelTimes | None = None,
) -> None:
    """Put the open stops of a route into this order; what is done already stays where it was.

    Raises:
        NotFound: there is no such route.
        RouteNotFitting: the route is over.
        SequenceInvalid: the order does not name every open stop once.
    """
    held = await _hold(tx, {route_id})
    route = held.routes.get(route_id)
    if route is None:
        raise NotFound
    if route.state not in (RouteState.PLANNED, *OUT):
        raise RouteNotFitting(f"the route is {route.state}")
    present = held.of(route_id)
    open_ = {stop.id: stop for stop in present if not StopState(stop.state).is_final}
    known = {stop.id for stop in held.stops}
    if len(set(order)) != len(order) or not open_.keys() <= set(order) <= known:
        fault = InputError("/stop_ids", "incomplete", "name every open stop of the route once")
        raise SequenceInvalid(errors=[fault])
    places = sorted(stop.sequence for stop in open_.values())
    for id_, place in zip((i for i in order if i in open_), places, strict=True):
        change = {"sequence": place, "pinned": True}
        if open_[id_].sequence != place or not open_[id_].pinned:
            await record(tx, actor, Event("stop.resequenced", Stop, id_, change))
    await _retime(tx, actor, route, held.of(route_id), times or CrowFlight())
    await record(tx, actor, Event("route.changed", Route, route_id))


async def _hold(tx: Tx, ids: set[UUID]) -> Held:
    stops = await dispatch.lock_stops(tx, ids)
    rows = await dispatch.lock_routes(tx, ids)
    return Held({route.id: route for route in rows}, stops)


def _must_fit(stop: Stop, source: Route, target: Route) -> None:
    state = StopState(stop.state)
    if state.is_final:
        raise StopFinal(f"the stop is {state}")
    if state not in MOVABLE:
        raise MoveNotAllowed(f"the driver is at the stop: it is {state}")
    if (source.depot_id, source.date) != (target.depot_id, target.date):
        raise RouteNotFitting("the route is of another depot or day")
    wanted = (RouteState.PLANNED,) if state is StopState.PLANNED else OUT
    if target.state not in wanted:
        raise RouteNotFitting(f"the stop is {state}, the route {target.state}")


async def _index(
    tx: Tx,
    others: Sequence[Stop],
    stop: Stop,
    target: Route,
    position: int | None,
    times: TravelTimes,
) -> int:
    """Return the place in the order: as asked, or the cheapest; never before what is done."""
    first = max((k for k, other in enumerate(others, 1) if other.state not in MOVABLE), default=0)
    if position is not None:
        return min(max(position - 1, first), len(others))
    places = await routes.places(tx, [each.consignment_id for each in (stop, *others)])
    here = places.get(stop.consignment_id)
    if here is None:
        return len(others)
    depot = (await routes.start(tx, target)).depot
    path = [depot, *(places.get(other.consignment_id, here) for other in others), depot]
    matrix = times.between([_point(place) for place in (here, *path)])
    added = [
        matrix[k + 1][0] + matrix[0][k + 2] - matrix[k + 1][k + 2] for k in range(len(path) - 1)
    ]
    return min(range(first, len(added)), key=lambda k: added[k])


async def _move(tx: Tx, actor: Actor, stop: Stop, target: Route, order: Sequence[Stop]) -> None:
    """Number the target's stops and put the moved one among them, on its driver's manifest."""
    sequence = 0
    for each in order:
        if each.id == stop.id:
            sequence += 1
            change = {
                "route_id": target.id,
                "sequence": sequence,
                "pinned": True,
                "manifest_driver_id": target.manifest_driver_id,
            }
            await record(tx, actor, Event("stop.reassigned", Stop, stop.id, change))
            continue
        sequence = max(each.sequence, sequence + 1)
        if each.sequence != sequence:
            change = {"sequence": sequence}
            await record(tx, actor, Event("stop.resequenced", Stop, each.id, change))
    if target.manifest_driver_id is not None:
        await routes.hand_over(tx, stop.id, target.manifest_driver_id)
        await dispatch.assign(tx, target.manifest_driver_id, [stop.id], moment(tx))


async def _retime(
    tx: Tx, actor: Actor, route: Route, stops: Sequence[Stop], times: TravelTimes
) -> None:
    """Count the arrival times of the open stops again, from the last one that is done."""
    done = [stop for stop in stops if stop.state not in MOVABLE]
    ahead = [stop for stop in stops if stop.state in MOVABLE]
    places = await routes.places(tx, [stop.consignment_id for stop in stops])
    if not ahead or any(stop.consignment_id not in places for stop in ahead):
        return
    begin = await routes.start(tx, route)
    at, free = begin.depot, begin.at
    if done and done[-1].consignment_id in places:
        at, free = places[done[-1].consignment_id], _free_at(done[-1])
    points = [_point(at), *(_point(places[stop.consignment_id]) for stop in ahead)]
    matrix = times.between(points)
    for number, stop in enumerate(ahead, 1):
        arrives = free + dt.timedelta(seconds=matrix[number - 1][number])
        eta = max(arrives, stop.window_start)
        free = eta + dt.timedelta(seconds=stop.service_s)
        if eta != stop.eta:
            await record(tx, actor, Event("stop.retimed", Stop, stop.id, {"eta": eta}))


def _free_at(stop: Stop) -> dt.datetime:
    """Return when the driver left a stop, or will have."""
    begun = stop.arrived_at or stop.eta
    return stop.closed_at or begun + dt.timedelta(seconds=stop.service_s)


def _point(place: routes.Place) -> LatLon:
    return LatLon(place.lat, place.lon)
