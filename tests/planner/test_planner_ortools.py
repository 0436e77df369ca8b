"""The OR-Tools engine: keeps every promise, better than its start, repeatable, talks meanwhile."""

from dataclasses import replace

import pytest

from planner.answer import DayPlan, Progress
from planner.check import check
from planner.construct import construct
from planner.matrix import CrowFlight, matrix_of
from planner.plan import lay_out
from planner.problem import Pin, Problem, Reason
from planner.solver import Budget, engine
from planner.solver.ortools_engine import OrToolsEngine
from tests.planner.days import HOUR, city_day, problem, shift, visit

QUICK = Budget(1.0, 0.3)
FIXED = Budget(30.0, 30.0, solutions=200)


def solved(day: Problem, budget: Budget = QUICK) -> DayPlan:
    """Solve, lay out and check a day."""
    matrix = matrix_of(day, CrowFlight())
    plan = lay_out(day, matrix, OrToolsEngine().solve(day, matrix, budget, lambda _: None))
    assert not check(day, matrix, plan)
    return plan


def test_a_day_of_150_is_served_whole_and_checked() -> None:
    """The size the project promises: everybody served, no promise broken, the start improved."""
    day = city_day(150)
    matrix = matrix_of(day, CrowFlight())
    plan = solved(day, Budget(30.0, 30.0, solutions=100))
    assert plan.served == 150
    assert plan.cost_s < construct(day, matrix).cost_s


def test_the_same_day_gives_the_same_plan() -> None:
    """Bounded by answers instead of seconds, two runs end alike."""
    day = city_day(40)
    assert solved(day, FIXED) == solved(day, FIXED)


def test_only_a_cold_van_carries_cold_goods() -> None:
    """Skills limit the vehicles, without limiting who else may ride with them."""
    cold = frozenset({"refrigerated"})
    day = problem(
        (shift("warm"), shift("cold", skills=cold)),
        (visit("fish", needs=cold), visit("book", north_m=2000)),
    )
    plan = solved(day)
    assert {v.visit for r in plan.routes if r.shift == "cold" for v in r.visits} == {"fish", "book"}


def test_the_dearer_visit_is_served_when_there_is_room_for_one() -> None:
    """Drop penalties decide who is left out."""
    day = problem(
        (shift("s", kg=5),), (visit("economy", penalty_s=9000), visit("premium", penalty_s=32_000))
    )
    plan = solved(day)
    assert [(left.visit, left.reason) for left in plan.left_out] == [
        ("economy", Reason.NO_CAPACITY_LEFT)
    ]


def test_pins_hold_and_keep_their_order_against_the_shorter_way() -> None:
    """A dispatcher's far-near-far order survives, on the shift he chose."""
    far = replace(visit("far", north_m=20_000), pin=Pin("t", 1))
    near = replace(visit("near", north_m=1000), pin=Pin("t", 2))
    farther = replace(visit("farther", north_m=21_000), pin=Pin("t", 3))
    day = problem((shift("s"), shift("t")), (farther, near, far, visit("free")))
    route = next(route for route in solved(day).routes if route.shift == "t")
    ranked = [v.visit for v in route.visits if v.visit != "free"]
    assert ranked == ["far", "near", "farther"]


def test_a_left_out_pin_does_not_bind_the_others() -> None:
    """A ranked visit that cannot be made leaves the order of the rest alone."""
    late = replace(visit("late", window=(30 * HOUR, 31 * HOUR)), pin=Pin("s", 1))
    early = replace(visit("early", window=(8 * HOUR, 9 * HOUR)), pin=Pin("s", 2))
    plan = solved(problem((shift("s"),), (late, early)))
    assert [v.visit for route in plan.routes for v in route.visits] == ["early"]
    assert plan.left_out[0].reason is Reason.PIN_IMPOSSIBLE


def test_an_order_that_does_not_fit_is_kept_by_those_who_do() -> None:
    """A zigzag too long for its shift drops visits from the middle; the rest stay in order."""
    ranked = tuple(
        replace(visit(f"v{k}", north_m=500 + 9000 * (k % 2)), pin=Pin("s", k)) for k in range(16)
    )
    short = shift("s", starts_s=8 * HOUR, ends_s=10 * HOUR)
    plan = solved(problem((short, shift("t")), (*reversed(ranked), visit("free"))))
    [route] = [route for route in plan.routes if route.shift == "s"]
    kept = [int(v.visit[1:]) for v in route.visits if v.visit != "free"]
    assert kept == sorted(kept)
    assert 2 < len(kept) < 16


@pytest.mark.parametrize("day", [problem((), ()), problem((shift("s"),), ())])
def test_empty_days_are_planned_too(day: Problem) -> None:
    """Nobody to visit, or nobody to drive, is an answer and not a failure."""
    assert solved(day).routes == ()


def test_no_shift_leaves_everybody_out() -> None:
    """Without shifts every visit has the same reason."""
    assert {left.reason for left in solved(problem((), (visit("a"),))).left_out} == {
        Reason.NO_SHIFT
    }


def test_progress_is_told_while_searching() -> None:
    """A search that lasts says how far it is, and never more than the whole."""
    day, seen = city_day(80), list[Progress]()
    matrix = matrix_of(day, CrowFlight())
    OrToolsEngine().solve(day, matrix, Budget(1.5, 1.5), seen.append)
    assert seen
    assert all(0 < progress.share <= 1 for progress in seen)


def test_unknown_engines_are_named_in_the_refusal() -> None:
    """A wrong name says which names there are."""
    with pytest.raises(ValueError, match="ortools"):
        engine("abacus")


@pytest.mark.parametrize("wrong", [(0, 1, None), (1, 0, None), (1, 1, 0)])
def test_budgets_are_positive(wrong: tuple[float, float, int | None]) -> None:
    """A search without time or answers is a mistake."""
    with pytest.raises(ValueError, match=r"."):
        Budget(*wrong)
