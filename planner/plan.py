"""From an engine's answer to a plan: times for routes, reasons for whom they leave out. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from planner.answer import DayPlan, LeftOut, Outcome, PlannedRoute
from planner.matrix import Matrix
from planner.problem import Problem, Reason, Shift, Visit
from planner.schedule import reachable, walk
from planner.score import cost_of


def lay_out(problem: Problem, matrix: Matrix, outcome: Outcome) -> DayPlan:
    """Time the trips of the outcome and explain the visits that are on none."""
    node_of = {visit.id: node for node, visit in enumerate(problem.visits, 1)}
    shift_of = {shift.id: shift for shift in problem.shifts}
    routes = tuple(
        walk(problem, matrix, shift_of[trip.shift], [node_of[visit] for visit in trip.visits])
        for trip in outcome.trips
        if trip.visits
    )
    seated = {visit for trip in outcome.trips for visit in trip.visits}
    left_out = tuple(
        explain(problem, matrix, routes, node)
        for node, visit in enumerate(problem.visits, 1)
        if visit.id not in seated
    )
    return DayPlan(outcome.engine, routes, left_out, cost_of(problem, matrix, outcome.trips))


def explain(problem: Problem, matrix: Matrix, routes: Sequence[PlannedRoute], node: int) -> LeftOut:
    """Say why a visit was left out: the first thing that alone rules out every shift.

    What no shift could ever do is told apart from what only this day's other visits prevent.
    """
    visit, candidates = problem.visits[node - 1], problem.shifts
    if not candidates:
        return LeftOut(visit.id, Reason.NO_SHIFT, "no shift is planned for this depot and date")
    for demand in _demands(problem, matrix, node):
        candidates = tuple(shift for shift in candidates if demand.met_by(shift))
        if not candidates:
            pinned = visit.pin is not None and "; it is pinned to one shift"
            reason = Reason.PIN_IMPOSSIBLE if pinned else demand.reason
            return LeftOut(visit.id, reason, demand.detail + (pinned or ""))
    if all(not _has_room(problem, routes, shift, visit) for shift in candidates):
        return LeftOut(visit.id, Reason.NO_CAPACITY_LEFT, "every vehicle that could go is full")
    return LeftOut(visit.id, Reason.NO_TIME_LEFT, "no shift has the time for it beside the others")


@dataclass(frozen=True, slots=True)
class _Demand:
    """Something a shift must bring, and what to say when none does."""

    met_by: Callable[[Shift], bool]
    reason: Reason
    detail: str


def _demands(problem: Problem, matrix: Matrix, node: int) -> tuple[_Demand, ...]:
    visit, shifts = problem.visits[node - 1], problem.shifts
    kg = max(shift.vehicle.capacity.grams for shift in shifts) / 1000
    dm3 = max(shift.vehicle.capacity.cm3 for shift in shifts) / 1000
    opens, closes = problem.moment(visit.window.opens_s), problem.moment(visit.window.closes_s)
    return (
        _Demand(
            lambda shift: visit.pin is None or visit.pin.shift == shift.id,
            Reason.PIN_IMPOSSIBLE,
            "its shift is not there",
        ),
        _Demand(
            lambda shift: visit.needs <= shift.skills,
            Reason.SKILL_MISSING,
            f"no shift can do {', '.join(sorted(visit.needs))}",
        ),
        _Demand(
            lambda shift: visit.demand.grams <= shift.vehicle.capacity.grams,
            Reason.TOO_HEAVY,
            f"{visit.demand.grams / 1000:g} kg; no vehicle carries more than {kg:g} kg",
        ),
        _Demand(
            lambda shift: visit.demand.cm3 <= shift.vehicle.capacity.cm3,
            Reason.TOO_LARGE,
            f"{visit.demand.cm3 / 1000:g} dm3; no vehicle holds more than {dm3:g} dm3",
        ),
        _Demand(
            lambda shift: reachable(problem, matrix, shift, node),
            Reason.WINDOW_IMPOSSIBLE,
            f"no shift can be there from {opens:%H:%M} to {closes:%H:%M} UTC and get back",
        ),
    )


def _has_room(problem: Problem, routes: Sequence[PlannedRoute], shift: Shift, visit: Visit) -> bool:
    demand_of = {other.id: other.demand for other in problem.visits}
    load = visit.demand
    for route in routes:
        if route.shift == shift.id:
            load = sum((demand_of[planned.visit] for planned in route.visits), start=load)
    return load.fits_in(shift.vehicle.capacity)
