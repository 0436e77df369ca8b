"""Seeded days in a city for the planner's tests and its benchmark."""

import random
from datetime import UTC, datetime

from backend.domain.geo import LatLon
from planner.problem import Depot, Load, Problem, Shift, Vehicle, Visit, Window

BALTIMORE = LatLon(39.29, -76.61)
ORIGIN = datetime(2026, 11, 21, tzinfo=UTC)
HOUR = 3600


def shift(
    name: str,
    *,
    starts_s: int = 8 * HOUR,
    ends_s: int = 17 * HOUR,
    kg: int = 800,
    skills: frozenset[str] = frozenset(),
) -> Shift:
    """Return a shift in a van of its own."""
    return Shift(
        name, Vehicle(f"van-{name}", Load(kg * 1000, kg * 10_000), skills), starts_s, ends_s
    )


def visit(
    name: str,
    *,
    north_m: float = 1000,
    window: tuple[int, int] = (8 * HOUR, 17 * HOUR),
    kg: int = 5,
    needs: frozenset[str] = frozenset(),
    penalty_s: int = 10_800,
) -> Visit:
    """Return a visit so many metres north of the depot."""
    place = LatLon(BALTIMORE.lat + north_m / 111_195, BALTIMORE.lon)
    demand = Load(kg * 1000, kg * 4000)
    return Visit(name, place, Window(*window), 180, demand, needs, penalty_s)


def problem(shifts: tuple[Shift, ...], visits: tuple[Visit, ...]) -> Problem:
    """Return a day of the Baltimore depot."""
    return Problem(ORIGIN, Depot("BAL", BALTIMORE), shifts, visits)


def city_day(visits: int, *, seed: int = 1) -> Problem:
    """Return a seeded day: 15 % two-hour windows, 25 % four hours, 6 % refrigerated, five towns."""
    rng = random.Random(seed)
    towns = [(rng.uniform(-0.12, 0.12), rng.uniform(-0.15, 0.15)) for _ in range(5)]
    vans = max(2, -(-visits // 45))
    shifts = tuple(
        shift(f"s{k}", skills=frozenset({"refrigerated"}) if k % 3 == 0 else frozenset())
        for k in range(vans)
    )
    return problem(shifts, tuple(_somebody(rng, towns, k) for k in range(visits)))


def _somebody(rng: random.Random, towns: list[tuple[float, float]], number: int) -> Visit:
    north, east = rng.choice(towns)
    place = LatLon(
        BALTIMORE.lat + north + rng.gauss(0, 0.02), BALTIMORE.lon + east + rng.gauss(0, 0.025)
    )
    kind = rng.random()
    if kind < 0.15:
        opens = rng.choice((8, 10, 12, 14)) * HOUR
        window, penalty = Window(opens, opens + 2 * HOUR), 32_400
    elif kind < 0.40:
        opens = rng.choice((8, 12)) * HOUR
        window, penalty = Window(opens, opens + 4 * HOUR), 10_800
    else:
        window, penalty = Window(8 * HOUR, 17 * HOUR), 10_800
    needs = frozenset({"refrigerated"}) if rng.random() < 0.06 else frozenset[str]()
    demand = Load(rng.randint(200, 15_000), rng.randint(1000, 60_000))
    return Visit(f"v{number}", place, window, rng.randint(90, 300), demand, needs, penalty)
