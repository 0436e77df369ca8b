"""From orders to times and reasons."""

from dataclasses import replace

import pytest

from planner.construct import construct, extend
from planner.matrix import CrowFlight, matrix_of
from planner.plan import lay_out
from planner.problem import Load, Pin, Problem, Reason
from tests.planner.days import HOUR, city_day, problem, shift, visit


def reason_for(day: Problem, name: str) -> tuple[Reason, str]:
    """Return why a visit of the constructed plan is left out."""
    matrix = matrix_of(day, CrowFlight())
    plan = lay_out(day, matrix, construct(day, matrix))
    left = next(left for left in plan.left_out if left.visit == name)
    return left.reason, left.detail


COLD = frozenset({"refrigerated"})


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (problem((), (visit("a"),)), Reason.NO_SHIFT),
        (problem((shift("s"),), (visit("a", needs=COLD),)), Reason.SKILL_MISSING),
        (problem((shift("s", kg=4),), (visit("a", kg=5),)), Reason.TOO_HEAVY),
        (
            problem((shift("s"),), (replace(visit("a"), demand=Load(1, 10**9)),)),
            Reason.TOO_LARGE,
        ),
        (problem((shift("s"),), (visit("a", window=(0, HOUR)),)), Reason.WINDOW_IMPOSSIBLE),
        (problem((shift("s"),), (visit("a", north_m=900_000),)), Reason.WINDOW_IMPOSSIBLE),
        (
            problem((shift("s"), shift("t", kg=4)), (replace(visit("a"), pin=Pin("t")),)),
            Reason.PIN_IMPOSSIBLE,
        ),
        (problem((shift("s", kg=9),), (visit("b"), visit("a"))), Reason.NO_CAPACITY_LEFT),
        (
            problem(
                (shift("s"),),
                (
                    visit("b", window=(9 * HOUR, 9 * HOUR)),
                    visit("a", window=(9 * HOUR, 9 * HOUR), north_m=5000, penalty_s=1),
                ),
            ),
            Reason.NO_TIME_LEFT,
        ),
    ],
)
def test_every_way_to_be_left_out_has_its_reason(day: Problem, expected: Reason) -> None:
    """The first thing that alone rules out every shift is the reason; words come with it."""
    reason, detail = reason_for(day, "a")
    assert reason is expected
    assert detail


def test_nobody_leaves_the_depot_only_to_wait() -> None:
    """A first window at ten means leaving in time for ten, not at eight."""
    day = problem((shift("s"),), (visit("a", window=(10 * HOUR, 12 * HOUR)),))
    matrix = matrix_of(day, CrowFlight())
    route = lay_out(day, matrix, construct(day, matrix)).routes[0]
    assert route.visits[0].arrives_s == route.visits[0].begins_s == 10 * HOUR
    assert route.leaves_s == 10 * HOUR - matrix[0][1]


def test_extending_keeps_what_is_there() -> None:
    """Trips taken over stay as they are; only the missing visits are put in."""
    day = city_day(20)
    matrix = matrix_of(day, CrowFlight())
    whole = construct(day, matrix)
    less = replace(whole.trips[0], visits=whole.trips[0].visits[::2])
    again = extend(day, matrix, (less, *whole.trips[1:]))
    kept = [name for trip in again.trips for name in trip.visits if name in less.visits]
    assert kept == list(less.visits)
    assert sum(len(trip.visits) for trip in again.trips) == 20
