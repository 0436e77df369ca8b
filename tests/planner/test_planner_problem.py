"""What a planning problem refuses, and how loads and moments count."""

from datetime import datetime

import pytest

from planner.problem import Depot, Load, Pin, Problem, Shift, Vehicle, Visit, Window
from tests.planner.days import BALTIMORE, HOUR, ORIGIN, problem, shift, visit


def test_a_load_fits_only_when_weight_and_volume_do() -> None:
    """Both dimensions count: light and bulky does not fit where heavy and small does."""
    assert Load(5, 10).fits_in(Load(5, 10))
    assert not Load(5, 11).fits_in(Load(5, 10))
    assert not Load(6, 1).fits_in(Load(5, 10))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Load(-1, 0),
        lambda: Window(2, 1),
        lambda: Shift("s", Vehicle("v", Load(1, 1)), 10, 9),
        lambda: Shift("s", Vehicle("v", Load(1, 1)), 0, 9, fixed_cost_s=-1),
        lambda: Visit("a", BALTIMORE, Window(0, 1), -1),
        lambda: Visit("a", BALTIMORE, Window(0, 1), 1, drop_penalty_s=-1),
        lambda: problem((shift("s"), shift("s")), ()),
        lambda: problem((), (visit("a"), visit("a"))),
        lambda: problem((), (Visit("a", BALTIMORE, Window(0, 1), 1, pin=Pin("gone")),)),
        lambda: Problem(datetime(2026, 1, 1), Depot("d", BALTIMORE), (), ()),  # noqa: DTZ001
    ],
)
def test_values_that_cannot_be_are_refused(make: object) -> None:
    """Each constructor refuses what no day can contain."""
    assert callable(make)
    with pytest.raises(ValueError, match=r"."):
        make()


def test_skills_of_van_and_driver_add_up() -> None:
    """A shift can do what its van or its driver can."""
    van = Vehicle("v", Load(1, 1), frozenset({"refrigerated"}))
    able = Shift("s", van, 0, 1, driver_skills=frozenset({"two_person"}))
    assert able.skills == {"refrigerated", "two_person"}


def test_seconds_become_moments_of_the_day() -> None:
    """Times count from the origin."""
    assert problem((), ()).moment(8 * HOUR) == ORIGIN.replace(hour=8)
