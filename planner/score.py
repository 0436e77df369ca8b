"""What an answer costs, counted by us and not by the engine that gave it. Pure.

Cost = seconds driven + fixed cost of each used shift + penalty of each visit left out.
"""

from collections.abc import Sequence
from itertools import pairwise

from planner.answer import Trip
from planner.matrix import Matrix
from planner.problem import Problem


def cost_of(problem: Problem, matrix: Matrix, trips: Sequence[Trip]) -> int:
    """Return the cost of these trips, in seconds."""
    node_of = {visit.id: node for node, visit in enumerate(problem.visits, 1)}
    fixed = {shift.id: shift.fixed_cost_s for shift in problem.shifts}
    cost = 0
    served: set[str] = set()
    for trip in trips:
        nodes = [0, *(node_of[visit] for visit in trip.visits), 0]
        cost += sum(matrix[a][b] for a, b in pairwise(nodes))
        cost += fixed[trip.shift] if trip.visits else 0
        served.update(trip.visits)
    return cost + sum(v.drop_penalty_s for v in problem.visits if v.id not in served)
