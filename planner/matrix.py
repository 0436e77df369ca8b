"""Travel seconds between places, behind one Protocol: a formula now, a road engine later.

The formula is great-circle distance times a road factor, driven at a speed that rises with the
length of the hop (short hops are side streets), plus a fixed time to park and walk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, dist, radians, sin
from typing import Protocol

from backend.domain.geo import EARTH_RADIUS_M, LatLon
from planner.problem import Problem

Matrix = list[list[int]]
"""``matrix[i][j]``: whole seconds from node i to node j, 0 on the diagonal."""


class TravelTimes(Protocol):
    """Anything that knows how long a van takes between places."""

    def between(self, places: Sequence[LatLon]) -> Matrix:
        """Return the seconds from every place to every other."""
        ...


@dataclass(frozen=True, slots=True)
class CrowFlight:
    """Haversine x road factor, with a speed that grows from ``slow_mps`` towards ``fast_mps``.

    ``half_m`` is the road length at which half of the gain in speed is reached; ``park_s`` is
    spent on every hop that leads to another place.

    Raises:
        ValueError: a factor below 1 or a speed that is not positive.
    """

    road_factor: float = 1.3
    slow_mps: float = 5.0
    fast_mps: float = 14.0
    half_m: float = 6000.0
    park_s: float = 15.0

    def __post_init__(self) -> None:
        if self.road_factor < 1:
            raise ValueError("no road is shorter than the crow's flight")
        if not 0 < self.slow_mps <= self.fast_mps or self.half_m <= 0 or self.park_s < 0:
            raise ValueError("speeds and lengths must be positive")

    def seconds(self, road_m: float) -> int:
        """Return the driving seconds for a hop of so many metres of road, rounded up."""
        speed = self.slow_mps + (self.fast_mps - self.slow_mps) * road_m / (road_m + self.half_m)
        return -int(-(self.park_s + road_m / speed) // 1)

    def between(self, places: Sequence[LatLon]) -> Matrix:
        """Return the symmetric matrix; equal places are 0 apart."""
        points = [_on_unit_sphere(place) for place in places]
        around = 2 * EARTH_RADIUS_M * self.road_factor
        matrix = [[0] * len(points) for _ in points]
        for i, here in enumerate(points):
            row = matrix[i]
            for j in range(i):
                chord = dist(here, points[j])
                if chord > 0:
                    row[j] = matrix[j][i] = self.seconds(around * asin(min(1.0, chord / 2)))
        return matrix


def _on_unit_sphere(place: LatLon) -> tuple[float, float, float]:
    """Turn degrees into a vector: half the chord between two is the sine of half the angle."""
    lat, lon = radians(place.lat), radians(place.lon)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def matrix_of(problem: Problem, times: TravelTimes) -> Matrix:
    """Return the travel matrix over the problem's nodes: the depot, then the visits."""
    return times.between([problem.depot.place, *(visit.place for visit in problem.visits)])
