"""The checker passes honest plans and catches every kind of damage done to one."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.answer import DayPlan, LeftOut, PlannedRoute
from planner.check import Breach, check
from planner.construct import construct
from planner.matrix import CrowFlight, Matrix, matrix_of
from planner.plan import lay_out
from planner.problem import Load, Pin, Problem, Reason
from planner.schedule import walk
from tests.planner.days import HOUR, city_day, problem, shift, visit


def planned(day: Problem) -> tuple[Matrix, DayPlan]:
    """Return the travel times and an honest plan."""
    matrix = matrix_of(day, CrowFlight())
    return matrix, lay_out(day, matrix, construct(day, matrix))


def breaches(day: Problem, matrix: Matrix, plan: DayPlan) -> set[Breach]:
    """Return what the checker finds."""
    return {violation.breach for violation in check(day, matrix, plan)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 10_000))
def test_constructed_plans_are_clean(visits: int, seed: int) -> None:
    """Whatever the day, the insertion's own plan keeps every promise."""
    day = city_day(visits, seed=seed)
    assert not check(day, *planned(day))


def _lose(plan: DayPlan, at: int) -> DayPlan:
    route = plan.routes[at % len(plan.routes)]
    return _with(plan, at, replace(route, visits=route.visits[1:]))


def _repeat(plan: DayPlan, at: int) -> DayPlan:
    route = plan.routes[at % len(plan.routes)]
    return _with(plan, at, replace(route, visits=(*route.visits, route.visits[0])))


def _late(plan: DayPlan, at: int) -> DayPlan:
    route = plan.routes[at % len(plan.routes)]
    first = replace(route.visits[0], begins_s=route.visits[0].begins_s + 1 + at)
    return _with(plan, at, replace(route, visits=(first, *route.visits[1:])))


def _shorter(plan: DayPlan, at: int) -> DayPlan:
    route = plan.routes[at % len(plan.routes)]
    return _with(plan, at, replace(route, travel_s=route.travel_s - 1 - at))


def _foreign(plan: DayPlan, at: int) -> DayPlan:
    return _with(plan, at, replace(plan.routes[at % len(plan.routes)], shift="stranger"))


def _cheaper(plan: DayPlan, at: int) -> DayPlan:
    return replace(plan, cost_s=plan.cost_s - 1 - at)


def _both(plan: DayPlan, at: int) -> DayPlan:
    name = plan.routes[at % len(plan.routes)].visits[0].visit
    return replace(plan, left_out=(*plan.left_out, LeftOut(name, Reason.NO_TIME_LEFT, "x")))


def _twice(plan: DayPlan, at: int) -> DayPlan:
    return replace(plan, routes=(*plan.routes, plan.routes[at % len(plan.routes)]))


def _with(plan: DayPlan, at: int, route: PlannedRoute) -> DayPlan:
    at %= len(plan.routes)
    return replace(plan, routes=(*plan.routes[:at], route, *plan.routes[at + 1 :]))


DAMAGE = [_lose, _repeat, _late, _shorter, _foreign, _cheaper, _both, _twice]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DAMAGE), st.integers(1, 40), st.integers(0, 999), st.integers(0, 50))
def test_any_damage_is_caught(
    damage: Callable[[DayPlan, int], DayPlan], visits: int, seed: int, at: int
) -> None:
    """A plan that was tampered with anywhere never passes."""
    day = city_day(visits, seed=seed)
    matrix, plan = planned(day)
    if plan.routes:
        assert check(day, matrix, damage(plan, at))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(0, 999), st.data())
def test_any_reordering_is_timed_again(visits: int, seed: int, data: st.DataObject) -> None:
    """Swapping two visits while keeping the old times is a lie, and is found."""
    day = city_day(visits, seed=seed)
    matrix, plan = planned(day)
    long = [k for k, route in enumerate(plan.routes) if len(route.visits) > 1]
    if not long:
        return
    at = data.draw(st.sampled_from(long))
    order = list(plan.routes[at].visits)
    i, j = data.draw(st.lists(st.integers(0, len(order) - 1), min_size=2, max_size=2, unique=True))
    order[i], order[j] = order[j], order[i]
    damaged = _with(plan, at, replace(plan.routes[at], visits=tuple(order)))
    assert check(day, matrix, damaged)


def forced(day: Problem, order: list[int]) -> set[Breach]:
    """Return what the checker finds when one shift drives this order, honestly timed."""
    matrix = matrix_of(day, CrowFlight())
    route = walk(day, matrix, day.shifts[0], order)
    cost = route.travel_s + day.shifts[0].fixed_cost_s
    return breaches(day, matrix, DayPlan("hand", (route,), (), cost))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (problem((shift("s", kg=4),), (visit("a", kg=5),)), Breach.OVERWEIGHT),
        (problem((shift("s", ends_s=8 * HOUR + 60),), (visit("a"),)), Breach.SHIFT_OVERRUN),
        (problem((shift("s"),), (visit("a", window=(0, HOUR)),)), Breach.WINDOW_MISSED),
        (problem((shift("s"),), (visit("a", needs=frozenset({"x"})),)), Breach.SKILL_MISSING),
        (
            problem((shift("s"), shift("t")), (replace(visit("a"), pin=Pin("t")),)),
            Breach.PIN_BROKEN,
        ),
        (
            problem((shift("s"),), (replace(visit("a"), demand=Load(0, 10**9)),)),
            Breach.OVERFULL,
        ),
    ],
)
def test_each_promise_has_its_own_breach(day: Problem, expected: Breach) -> None:
    """A plan honest about its times is still refused for what it promises wrongly."""
    assert forced(day, [1]) == {expected}


def test_ranked_pins_keep_their_order() -> None:
    """A dispatcher's order is a promise."""
    first = replace(visit("a"), pin=Pin("s", 1))
    second = replace(visit("b", north_m=2000), pin=Pin("s", 2))
    day = problem((shift("s"),), (first, second))
    assert forced(day, [1, 2]) == set()
    assert forced(day, [2, 1]) == {Breach.ORDER_BROKEN}


def test_leaving_before_the_shift_is_a_breach() -> None:
    """Nobody starts before the shift does."""
    day = problem((shift("s"),), (visit("a"),))
    matrix, plan = planned(day)
    early = replace(plan.routes[0], leaves_s=plan.routes[0].leaves_s - 2 * HOUR)
    assert Breach.LEFT_TOO_EARLY in breaches(day, matrix, _with(plan, 0, early))


def test_a_reason_without_words_is_a_breach() -> None:
    """Whoever is left out is told why."""
    day = problem((), (visit("a"),))
    matrix, plan = planned(day)
    silent = replace(plan, left_out=(LeftOut("a", Reason.NO_SHIFT, " "),))
    assert breaches(day, matrix, silent) == {Breach.UNEXPLAINED}
