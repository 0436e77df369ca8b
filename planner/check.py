"""The independent checker: a plan that breaks one promise is not published. Pure.

It trusts neither the engine nor our own scheduling: from the orders alone it recomputes every
arrival, load, window, shift end, skill, pin and the cost, and compares them with what is claimed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from planner.answer import DayPlan, PlannedRoute, PlannedVisit
from planner.matrix import Matrix
from planner.problem import Problem, Shift, Visit


class Breach(StrEnum):
    """A promise a plan can break."""

    VISIT_UNKNOWN = "visit_unknown"
    VISIT_MISSING = "visit_missing"
    VISIT_TWICE = "visit_twice"
    SHIFT_UNKNOWN = "shift_unknown"
    SHIFT_TWICE = "shift_twice"
    ROUTE_EMPTY = "route_empty"
    LEFT_TOO_EARLY = "left_too_early"
    TIME_WRONG = "time_wrong"
    WINDOW_MISSED = "window_missed"
    SHIFT_OVERRUN = "shift_overrun"
    OVERWEIGHT = "overweight"
    OVERFULL = "overfull"
    SKILL_MISSING = "skill_missing"
    PIN_BROKEN = "pin_broken"
    ORDER_BROKEN = "order_broken"
    COST_WRONG = "cost_wrong"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which, about what, and in words."""

    breach: Breach
    subject: str
    detail: str = ""


def check(problem: Problem, matrix: Matrix, plan: DayPlan) -> tuple[Violation, ...]:
    """Return every broken promise; an empty answer means that the plan holds."""
    known = _Known(problem, matrix)
    violations = [*_everyone_once(problem, plan), *_shifts_once(problem, plan)]
    for route in plan.routes:
        if route.shift in known.shifts and all(v.visit in known.nodes for v in route.visits):
            violations += [*_times(known, route), *_loads(known, route), *_fitness(known, route)]
    if not violations:
        violations += _cost(known, plan)
    return tuple(violations)


class _Known:
    """The problem, by id."""

    def __init__(self, problem: Problem, matrix: Matrix) -> None:
        self.matrix = matrix
        self.visits = problem.visits
        self.nodes = {visit.id: number + 1 for number, visit in enumerate(problem.visits)}
        self.shifts: dict[str, Shift] = {shift.id: shift for shift in problem.shifts}

    def visit(self, planned: PlannedVisit) -> Visit:
        return self.visits[self.nodes[planned.visit] - 1]


def _everyone_once(problem: Problem, plan: DayPlan) -> Iterator[Violation]:
    named = Counter(planned.visit for route in plan.routes for planned in route.visits)
    named.update(left.visit for left in plan.left_out)
    known = {visit.id for visit in problem.visits}
    for visit in known - named.keys():
        yield Violation(Breach.VISIT_MISSING, visit, "neither on a route nor left out")
    for visit, times in named.items():
        if visit not in known:
            yield Violation(Breach.VISIT_UNKNOWN, visit)
        if times > 1:
            yield Violation(Breach.VISIT_TWICE, visit, f"named {times} times")
    for left in plan.left_out:
        if not left.detail.strip():
            yield Violation(Breach.UNEXPLAINED, left.visit, f"{left.reason} without words")


def _shifts_once(problem: Problem, plan: DayPlan) -> Iterator[Violation]:
    known = {shift.id for shift in problem.shifts}
    for shift, times in Counter(route.shift for route in plan.routes).items():
        if shift not in known:
            yield Violation(Breach.SHIFT_UNKNOWN, shift)
        if times > 1:
            yield Violation(Breach.SHIFT_TWICE, shift, f"has {times} routes")
    for route in plan.routes:
        if not route.visits:
            yield Violation(Breach.ROUTE_EMPTY, route.shift)


def _times(known: _Known, route: PlannedRoute) -> Iterator[Violation]:
    shift, matrix = known.shifts[route.shift], known.matrix
    if route.leaves_s < shift.starts_s:
        yield Violation(Breach.LEFT_TOO_EARLY, route.shift, f"{shift.starts_s - route.leaves_s} s")
    clock, at, driven = route.leaves_s, 0, 0
    for planned in route.visits:
        node, visit = known.nodes[planned.visit], known.visit(planned)
        driven += matrix[at][node]
        arrives = clock + matrix[at][node]
        begins = max(arrives, visit.window.opens_s)
        clock, at = begins + visit.service_s, node
        if (planned.arrives_s, planned.begins_s, planned.leaves_s) != (arrives, begins, clock):
            yield Violation(Breach.TIME_WRONG, visit.id, f"arrives {arrives}, begins {begins}")
        if begins > visit.window.closes_s:
            late = begins - visit.window.closes_s
            yield Violation(Breach.WINDOW_MISSED, visit.id, f"{late} s late")
    returns, driven = clock + matrix[at][0], driven + matrix[at][0]
    if (route.returns_s, route.travel_s) != (returns, driven):
        yield Violation(Breach.TIME_WRONG, route.shift, f"returns {returns}, drives {driven} s")
    if returns > shift.ends_s:
        yield Violation(Breach.SHIFT_OVERRUN, route.shift, f"{returns - shift.ends_s} s over")


def _loads(known: _Known, route: PlannedRoute) -> Iterator[Violation]:
    capacity = known.shifts[route.shift].vehicle.capacity
    grams = sum(known.visit(planned).demand.grams for planned in route.visits)
    cm3 = sum(known.visit(planned).demand.cm3 for planned in route.visits)
    if grams > capacity.grams:
        yield Violation(Breach.OVERWEIGHT, route.shift, f"{grams} g on {capacity.grams} g")
    if cm3 > capacity.cm3:
        yield Violation(Breach.OVERFULL, route.shift, f"{cm3} cm3 in {capacity.cm3} cm3")


def _fitness(known: _Known, route: PlannedRoute) -> Iterator[Violation]:
    shift, highest = known.shifts[route.shift], None
    for planned in route.visits:
        visit = known.visit(planned)
        lacking = visit.needs - (shift.vehicle.skills | shift.driver_skills)
        if lacking:
            yield Violation(Breach.SKILL_MISSING, visit.id, ", ".join(sorted(lacking)))
        if visit.pin is None:
            continue
        if visit.pin.shift != shift.id:
            yield Violation(Breach.PIN_BROKEN, visit.id, f"belongs to shift {visit.pin.shift}")
        if visit.pin.rank is not None:
            if highest is not None and visit.pin.rank < highest:
                yield Violation(Breach.ORDER_BROKEN, visit.id, f"rank {visit.pin.rank}")
            highest = max(highest or visit.pin.rank, visit.pin.rank)


def _cost(known: _Known, plan: DayPlan) -> Iterator[Violation]:
    left = {left.visit for left in plan.left_out}
    cost = sum(route.travel_s + known.shifts[route.shift].fixed_cost_s for route in plan.routes)
    cost += sum(visit.drop_penalty_s for visit in known.visits if visit.id in left)
    if cost != plan.cost_s:
        yield Violation(Breach.COST_WRONG, "plan", f"counts {cost}, claims {plan.cost_s}")
