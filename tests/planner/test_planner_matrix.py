"""Travel times: symmetric, zero at home, longer than the crow's flight, faster on long hops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.geo import LatLon, distance_m
from planner.matrix import CrowFlight, matrix_of
from tests.planner.days import BALTIMORE, city_day

places = st.builds(LatLon, st.floats(-80, 80), st.floats(-179, 179))


@given(places, places)
def test_the_chord_gives_the_same_distance_as_haversine(a: LatLon, b: LatLon) -> None:
    """At constant speed the seconds are the haversine metres, to a second in a thousand."""
    times = CrowFlight(road_factor=1, slow_mps=1, fast_mps=1, park_s=0)
    assert times.between([a, b])[0][1] == pytest.approx(distance_m(a, b), rel=1e-3, abs=2)


def test_matrix_is_symmetric_with_a_zero_diagonal() -> None:
    """Node 0 is the depot, and there and back take equally long."""
    day = city_day(30)
    matrix = matrix_of(day, CrowFlight())
    assert len(matrix) == 31
    assert all(matrix[i][j] == matrix[j][i] for i in range(31) for j in range(31))
    assert all(matrix[i][i] == 0 for i in range(31))


def test_long_hops_are_faster_per_metre_but_never_shorter() -> None:
    """Speed rises with length while seconds still rise with it."""
    times = CrowFlight()
    seconds = [times.seconds(metres) for metres in (100, 1000, 10_000, 100_000)]
    assert seconds == sorted(seconds)
    assert 100_000 / seconds[3] > 2 * 100 / seconds[0]


def test_two_parcels_for_one_house_take_no_drive() -> None:
    """Equal places are nothing apart, not even a parking."""
    assert CrowFlight().between([BALTIMORE, BALTIMORE]) == [[0, 0], [0, 0]]


@pytest.mark.parametrize("wrong", [{"road_factor": 0.9}, {"slow_mps": 0}, {"park_s": -1}])
def test_impossible_roads_are_refused(wrong: dict[str, float]) -> None:
    """A road shorter than the crow's flight, or a van that stands still, is a mistake."""
    with pytest.raises(ValueError, match=r"road|speeds"):
        CrowFlight(**wrong)
