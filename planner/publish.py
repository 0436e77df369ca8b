"""A checked plan becomes routes and stops; the unreleased plan of the same day gives way to it.

One transaction. Released routes are never touched. Whatever changed since the day was gathered
makes the plan stale: then nothing is written, and the day is planned again.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.consignment import ConsignmentState
from backend.domain.people import SYSTEM
from backend.domain.route import PlanState, RouteState
from backend.domain.stop import ProofState, StopState
from backend.ids import new_id
from backend.store import dispatch, plans
from backend.store.database import Tx, moment
from backend.tables.consignments import Consignment
from backend.tables.plans import Plan, Route
from backend.tables.stops import Stop
from planner.answer import DayPlan, LeftOut, PlannedRoute, PlannedVisit
from planner.day import Day, window_to_tell


class DayChanged(Exception):
    """Consignments of the day changed while it was being planned."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is being written: the plan's row, the day it is for, and the cause named in the log."""

    plan: Plan
    day: Day
    answer: DayPlan

    @property
    def cause(self) -> str:
        """How entries name this planning run."""
        return f"plan:{self.plan.id}"


async def publish(tx: Tx, plan: Plan, day: Day, answer: DayPlan) -> None:
    """Write the routes and stops of a plan and mark it done.

    Raises:
        DayChanged: the plan is about a day that is no longer so.
    """
    news = Publication(plan, day, answer)
    replaced = await plans.replaceable(tx, plan.depot_id, plan.date)
    stops = await _withdraw(tx, news, replaced)
    consignments = await _locked(tx, day, stops)
    for route in answer.routes:
        await _add_route(tx, news, route)
    await _set_states(tx, news, consignments)
    _finish(news, moment(tx))
    for old in replaced:
        old.superseded = True


async def _withdraw(tx: Tx, news: Publication, replaced: Sequence[Plan]) -> list[Stop]:
    """Take back routes and stops that no driver has seen."""
    routes: list[Route] = []
    stops: list[Stop] = []
    if replaced:
        ids = [id_ for old in replaced for id_ in await dispatch.route_ids(tx, old.id)]
        stops = list(await dispatch.lock_stops(tx, ids))
        routes = list(await dispatch.lock_routes(tx, ids))
    for route in routes:
        gone = {"state": RouteState.SUPERSEDED.value}
        await record(tx, SYSTEM, Event("route.superseded", Route, route.id, gone, cause=news.cause))
    for stop in stops:
        if stop.state == StopState.PLANNED:
            gone = {"state": StopState.CANCELLED.value}
            await record(tx, SYSTEM, Event("stop.cancelled", Stop, stop.id, gone, cause=news.cause))
    return stops


async def _locked(tx: Tx, day: Day, stops: Iterable[Stop]) -> dict[str, Consignment]:
    """Lock the consignments of the day; all must still be what the plan was made of."""
    ids = {each.id for each in day.goods.values()} | {stop.consignment_id for stop in stops}
    rows = {str(id_): row for id_, row in (await dispatch.lock_consignments(tx, ids)).items()}
    for id_, each in day.goods.items():
        if rows[id_].version != each.version:
            raise DayChanged
    return rows


async def _add_route(tx: Tx, news: Publication, planned: PlannedRoute) -> None:
    crew, route_id = news.day.crews[planned.shift], new_id()
    change = {
        "plan_id": news.plan.id,
        "depot_id": news.plan.depot_id,
        "date": news.plan.date,
        "state": RouteState.PLANNED.value,
        "driver_id": crew.driver_id,
        "vehicle_id": crew.vehicle_id,
        "shift_id": crew.shift_id,
    }
    event = Event("route.planned", Route, route_id, change, cause=news.cause, create=True)
    await record(tx, SYSTEM, event)
    await tx.flush()  # stops refer to it
    for sequence, visit in enumerate(planned.visits, 1):
        change = _stop(news, planned, visit, sequence, route_id)
        event = Event("stop.planned", Stop, new_id(), change, cause=news.cause, create=True)
        await record(tx, SYSTEM, event)


def _stop(
    news: Publication, route: PlannedRoute, planned: PlannedVisit, sequence: int, route_id: UUID
) -> dict[str, object]:
    day = news.day
    goods, crew = day.goods[planned.visit], day.crews[route.shift]
    segment, eta = day.segments[goods.segment], day.problem.moment(planned.begins_s)
    window_start, window_end = window_to_tell(goods, segment, eta, crew.starts_at)
    return {
        "route_id": route_id,
        "consignment_id": goods.id,
        "sequence": sequence,
        "state": StopState.PLANNED.value,
        "proof": ProofState.NONE.value,
        "attempt": goods.attempts + 1,
        "segment": segment.code,
        "policy_version": segment.version,
        "priority": segment.policy.priority,
        "eta": eta,
        "window_start": window_start,
        "window_end": window_end,
        "service_s": planned.leaves_s - planned.begins_s,
        "pinned": planned.visit in day.pinned,
    }


async def _set_states(tx: Tx, news: Publication, consignments: dict[str, Consignment]) -> None:
    """Who has a route is planned, on this day; who had one and lost it is ready again."""
    planned = {visit.visit for route in news.answer.routes for visit in route.visits}
    for id_, row in consignments.items():
        change: dict[str, object] = {}
        if id_ in planned:
            change = {"state": ConsignmentState.PLANNED.value, "service_date": news.plan.date}
        elif row.state == ConsignmentState.PLANNED:
            change = {"state": ConsignmentState.READY.value}
        if any(getattr(row, name) != value for name, value in change.items()):
            action = "consignment.planned" if id_ in planned else "consignment.unplanned"
            event = Event(action, Consignment, row.id, change, cause=news.cause)
            await record(tx, SYSTEM, event)


def _finish(news: Publication, now: dt.datetime) -> None:
    plan, answer = news.plan, news.answer
    plan.state, plan.progress, plan.finished_at = PlanState.DONE, 1.0, now
    plan.claimed_by = plan.claimed_until = None
    plan.engine, plan.cost = answer.engine, answer.cost_s
    plan.routes, plan.assigned = len(answer.routes), answer.served
    plan.unassigned = [
        _explained(left, news.day) for left in (*news.day.hopeless, *answer.left_out)
    ]


def _explained(left: LeftOut, day: Day) -> dict[str, str]:
    goods = day.goods[left.visit]
    return {
        "reference": goods.reference,
        "consignment_id": left.visit,
        "reason": left.reason.value,
        "detail": left.detail,
    }
