"""Times along one route: as early as possible, never before a window opens, no idle start.

Pure. It times whatever order it is given; whether the times keep the promises is for
``planner.check`` to say, and for ``planner.construct`` to avoid.
"""

from collections.abc import Sequence

from planner.answer import PlannedRoute, PlannedVisit
from planner.matrix import Matrix
from planner.problem import Problem, Shift


def walk(problem: Problem, matrix: Matrix, shift: Shift, nodes: Sequence[int]) -> PlannedRoute:
    """Time the visits of the nodes in this order, leaving late enough not to wait at the first."""
    leaves = _departure(problem, matrix, shift, nodes)
    now, here, travel, timed = leaves, 0, 0, []
    for node in nodes:
        visit = problem.visits[node - 1]
        travel += matrix[here][node]
        arrives = now + matrix[here][node]
        begins = max(arrives, visit.window.opens_s)
        now, here = begins + visit.service_s, node
        timed.append(PlannedVisit(visit.id, arrives, begins, now))
    back = matrix[here][0]
    return PlannedRoute(shift.id, leaves, now + back, travel + back, tuple(timed))


def _departure(problem: Problem, matrix: Matrix, shift: Shift, nodes: Sequence[int]) -> int:
    if not nodes:
        return shift.starts_s
    first = problem.visits[nodes[0] - 1]
    return max(shift.starts_s, first.window.opens_s - matrix[0][nodes[0]])


def reachable(problem: Problem, matrix: Matrix, shift: Shift, node: int) -> bool:
    """Tell whether the shift could serve this visit if it had no other."""
    visit = problem.visits[node - 1]
    begins = max(visit.window.opens_s, shift.starts_s + matrix[0][node])
    back = begins + visit.service_s + matrix[node][0]
    return begins <= visit.window.closes_s and back <= shift.ends_s
