"""Published instances: two real-looking days in Rio and a VRPTW with a known best solution.

They live in a data folder beside the project and are never committed; without it these tests skip.
"""

import json
import os
from itertools import pairwise
from math import hypot
from pathlib import Path

import pytest

from backend.domain.geo import LatLon
from planner.check import check
from planner.matrix import CrowFlight, Matrix, matrix_of
from planner.plan import lay_out
from planner.problem import Depot, Load, Problem, Shift, Vehicle, Visit, Window
from planner.solver import Budget
from planner.solver.ortools_engine import OrToolsEngine
from tests.planner.days import HOUR, ORIGIN

BESIDE = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("DOORSTEP_DATA_SETS", BESIDE))


def data(name: str) -> Path:
    """Return a file of the data folder, or skip and say which one is missing."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"DATA ABSENT: {path}; set DOORSTEP_DATA_SETS to run this test")
    return path


@pytest.mark.parametrize(("name", "least"), [("cvrp-0-rj-3", 5), ("cvrp-0-rj-0", 7)])
def test_rio_is_served_whole(name: str, least: int) -> None:
    """Every delivery gets a place although ids repeat; vans are not far above the lower bound."""
    day = json.loads(data(f"loggibud/{name}.json").read_text())
    origin = LatLon(day["origin"]["lat"], day["origin"]["lng"])
    van = Vehicle("van", Load(day["vehicle_capacity"], 1))
    shifts = tuple(Shift(f"s{k}", van, 0, 10 * HOUR) for k in range(least + 2))
    visits = tuple(
        Visit(
            f"{place}-{delivery['id']}",
            LatLon(delivery["point"]["lat"], delivery["point"]["lng"]),
            Window(0, 10 * HOUR),
            120,
            Load(delivery["size"]),
        )
        for place, delivery in enumerate(day["deliveries"])
    )
    problem = Problem(ORIGIN, Depot("rio", origin), shifts, visits)
    matrix = matrix_of(problem, CrowFlight())
    outcome = OrToolsEngine().solve(problem, matrix, Budget(30, 30, solutions=50), lambda _: None)
    plan = lay_out(problem, matrix, outcome)
    assert not check(problem, matrix, plan)
    assert not plan.left_out
    assert least <= len(plan.routes) <= least + 1


def solomon(name: str) -> tuple[Problem, Matrix]:
    """Read a Solomon instance; distances are ten times the Euclidean ones, cut to integers."""
    lines = data(f"vrptw/Solomon/{name}.vrp").read_text().splitlines()
    head = {k.strip(): v.strip() for k, _, v in (ln.partition(":") for ln in lines) if v}
    points = _section(lines, "NODE_COORD_SECTION")
    demands = _section(lines, "DEMAND_SECTION")
    windows = _section(lines, "TIME_WINDOW_SECTION")
    matrix = [[int(10 * hypot(a[0] - b[0], a[1] - b[1])) for b in points] for a in points]
    van = Vehicle("van", Load(int(head["CAPACITY"])))
    ends = 10 * windows[0][1]
    shifts = tuple(Shift(f"s{k}", van, 0, ends, fixed_cost_s=0) for k in range(25))
    visits = tuple(
        Visit(
            str(number),
            LatLon(0, 0),
            Window(10 * windows[number][0], 10 * windows[number][1]),
            10 * int(head["SERVICE_TIME"]),
            Load(demands[number][0]),
            drop_penalty_s=100_000,
        )
        for number in range(1, len(points))
    )
    return Problem(ORIGIN, Depot("depot", LatLon(0, 0)), shifts, visits), matrix


def _section(lines: list[str], name: str) -> list[list[int]]:
    body = lines[lines.index(name) + 1 :]
    rows: list[list[int]] = []
    for line in body:
        if not line[:1].isdigit():
            break
        rows.append([int(word) for word in line.split()[1:]])
    return rows


def test_the_best_known_solution_of_c101_is_found_and_passes_the_checker() -> None:
    """On a clustered VRPTW the engine reaches the published optimum of 827.3."""
    problem, matrix = solomon("C101")
    outcome = OrToolsEngine().solve(problem, matrix, Budget(30, 30, solutions=60), lambda _: None)
    plan = lay_out(problem, matrix, outcome)
    assert not check(problem, matrix, plan)
    assert plan.cost_s == 8273


def test_the_published_solution_passes_the_checker_too() -> None:
    """Problem, schedule and checker agree with what others proved feasible, at their cost."""
    problem, matrix = solomon("R104")
    text = data("vrptw/Solomon/R104.sol").read_text().splitlines()
    orders = [[int(n) for n in ln.partition(":")[2].split()] for ln in text if "Route" in ln]
    cost = sum(matrix[a][b] for order in orders for a, b in pairwise([0, *order, 0]))
    assert cost == 9715
    from planner.answer import Outcome, Trip

    trips = tuple(
        Trip(f"s{k}", tuple(str(node) for node in order)) for k, order in enumerate(orders)
    )
    plan = lay_out(problem, matrix, Outcome("published", trips, cost))
    assert not check(problem, matrix, plan)
    assert plan.cost_s == 9715
