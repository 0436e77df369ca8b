"""A first complete answer in milliseconds: each visit goes where it adds least driving.

Pure insertion with exact windows, loads, skills and pins. Engines start from it, so that a short
search already begins with everybody served who can be, and the plan survives an engine that
finds nothing. ``extend`` also puts left-out visits into the holes of an engine's answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from planner.answer import Outcome, Trip
from planner.matrix import Matrix
from planner.problem import Load, Problem, Shift, Visit
from planner.score import cost_of


@dataclass(slots=True)
class _Open:
    """A route under construction; ``begins`` and ``latest`` run beside ``nodes``.

    ``latest[k]`` is the last moment at which node k may begin without harm to those after it.
    """

    shift: Shift
    nodes: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    latest: list[int] = field(default_factory=list)
    load: Load = field(default_factory=Load)


@dataclass(frozen=True, slots=True)
class _Place:
    added_s: int
    route: int
    position: int


def construct(problem: Problem, matrix: Matrix) -> Outcome:
    """Insert every visit at its cheapest feasible place, in several orders; return the best."""
    return extend(problem, matrix, ())


def extend(problem: Problem, matrix: Matrix, trips: Sequence[Trip]) -> Outcome:
    """Keep these trips and insert whoever is missing from them."""
    seated = {visit for trip in trips for visit in trip.visits}
    missing = [n for n, visit in enumerate(problem.visits, 1) if visit.id not in seated]
    tries = [_insert(problem, matrix, trips, order) for order in _orders(problem, matrix, missing)]
    return min(tries, key=lambda outcome: outcome.cost_s)


def _insert(
    problem: Problem, matrix: Matrix, trips: Sequence[Trip], order: Sequence[int]
) -> Outcome:
    work = _Construction(problem, matrix)
    work.take_over(trips)
    for node in order:
        work.insert(node)
    built = work.trips()
    return Outcome("insertion", built, cost_of(problem, matrix, built))


def _orders(problem: Problem, matrix: Matrix, nodes: Sequence[int]) -> list[Sequence[int]]:
    """Return who comes first: the far, the near, the dear or the urgent; pins before anybody.

    No order is best: on tight days the difference is a tenth of the visits.
    """
    if not nodes:
        return [()]
    visits, away = problem.visits, matrix[0]

    def width(node: int) -> int:
        return visits[node - 1].window.closes_s - visits[node - 1].window.opens_s

    keys: tuple[Callable[[int], tuple[int, int]], ...] = (
        lambda node: (-away[node], width(node)),
        lambda node: (away[node], width(node)),
        lambda node: (-visits[node - 1].drop_penalty_s, -away[node]),
        lambda node: (width(node), -away[node]),
    )
    return [sorted(nodes, key=lambda n: (*_pin_rank(visits[n - 1]), *key(n))) for key in keys]


def _pin_rank(visit: Visit) -> tuple[bool, int]:
    pin = visit.pin
    return pin is None, pin.rank if pin is not None and pin.rank is not None else 0


class _Construction:
    """The routes of a day while visits are put into them."""

    def __init__(self, problem: Problem, matrix: Matrix) -> None:
        self.problem, self.matrix = problem, matrix
        self.routes = [_Open(shift) for shift in problem.shifts]

    def take_over(self, trips: Sequence[Trip]) -> None:
        """Start from the trips of an earlier answer."""
        node_of = {visit.id: node for node, visit in enumerate(self.problem.visits, 1)}
        route_of = {route.shift.id: route for route in self.routes}
        for trip in trips:
            route = route_of[trip.shift]
            route.nodes = [node_of[visit] for visit in trip.visits]
            for node in route.nodes:
                route.load += self.problem.visits[node - 1].demand
            self._retime(route)

    def insert(self, node: int) -> bool:
        """Put the node at its cheapest place; False if there is none."""
        places = [place for index in range(len(self.routes)) if (place := self._best(index, node))]
        if not places:
            return False
        best = min(places, key=lambda place: (place.added_s, place.route))
        route = self.routes[best.route]
        route.nodes.insert(best.position, node)
        route.load += self.problem.visits[node - 1].demand
        self._retime(route)
        return True

    def trips(self) -> tuple[Trip, ...]:
        """Return the routes that visit anybody."""
        return tuple(
            Trip(route.shift.id, tuple(self.problem.visits[node - 1].id for node in route.nodes))
            for route in self.routes
            if route.nodes
        )

    def _best(self, index: int, node: int) -> _Place | None:
        route, visit = self.routes[index], self.problem.visits[node - 1]
        if not _may_serve(route.shift, visit) or not _has_room(route, visit):
            return None
        added = [
            (extra, position)
            for position in self._positions(route, visit)
            if (extra := self._extra(route, node, visit, position)) is not None
        ]
        if not added:
            return None
        extra, position = min(added)
        return _Place(extra + (0 if route.nodes else route.shift.fixed_cost_s), index, position)

    def _positions(self, route: _Open, visit: Visit) -> range:
        """Return where a visit may stand; ranked pins stay in the order of their ranks."""
        first, last = 0, len(route.nodes)
        if visit.pin is not None and visit.pin.rank is not None:
            for position, node in enumerate(route.nodes):
                other = self.problem.visits[node - 1].pin
                if other is None or other.rank is None:
                    continue
                if other.rank <= visit.pin.rank:
                    first = position + 1
                else:
                    last = min(last, position)
        return range(first, last + 1)

    def _extra(self, route: _Open, node: int, visit: Visit, position: int) -> int | None:
        """Return the driving seconds it would add there, or None where it does not fit."""
        matrix, shift = self.matrix, route.shift
        before = route.nodes[position - 1] if position else 0
        after = route.nodes[position] if position < len(route.nodes) else 0
        free = shift.starts_s if not position else self._free_at(route, position - 1)
        begins = max(visit.window.opens_s, free + matrix[before][node])
        if begins > visit.window.closes_s:
            return None
        reaches = begins + visit.service_s + matrix[node][after]
        if reaches > (route.latest[position] if after else shift.ends_s):
            return None
        return matrix[before][node] + matrix[node][after] - matrix[before][after]

    def _free_at(self, route: _Open, position: int) -> int:
        return route.begins[position] + self.problem.visits[route.nodes[position] - 1].service_s

    def _retime(self, route: _Open) -> None:
        """Count the earliest and the latest times of a route again."""
        visits, matrix = self.problem.visits, self.matrix
        now, here, route.begins = route.shift.starts_s, 0, []
        for node in route.nodes:
            begins = max(visits[node - 1].window.opens_s, now + matrix[here][node])
            route.begins.append(begins)
            now, here = begins + visits[node - 1].service_s, node
        deadline, here, latest = route.shift.ends_s, 0, []
        for node in reversed(route.nodes):
            visit = visits[node - 1]
            deadline = min(visit.window.closes_s, deadline - matrix[node][here] - visit.service_s)
            latest.append(deadline)
            here = node
        route.latest = latest[::-1]


def _may_serve(shift: Shift, visit: Visit) -> bool:
    return visit.needs <= shift.skills and (visit.pin is None or visit.pin.shift == shift.id)


def _has_room(route: _Open, visit: Visit) -> bool:
    return (route.load + visit.demand).fits_in(route.shift.vehicle.capacity)
