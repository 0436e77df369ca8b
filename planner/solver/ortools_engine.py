"""The OR-Tools routing engine: insertion start, guided local search, stop when nothing improves.

The model is exact integers: one dimension each for weight, volume and time. A visit that needs a
skill or carries a pin is limited to the vehicles that qualify; leaving a visit out costs its
penalty. Importing this module loads OR-Tools (about a second), so only the planning process does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, process_time

from ortools.constraint_solver import pywrapcp
from ortools.constraint_solver.routing_enums_pb2 import LocalSearchMetaheuristic
from ortools.constraint_solver.routing_parameters_pb2 import RoutingSearchParameters

from planner.answer import Outcome, Progress, Trip
from planner.construct import construct, extend
from planner.matrix import Matrix
from planner.problem import Problem, Visit
from planner.schedule import reachable
from planner.solver import Budget

IGNORE_INACTIVE = FROM_ZERO = True  # names for two flags of the library
ABSENT = -1  # OR-Tools' word for "on no vehicle"
MIN_S = 0.1  # what is left for the search when building start and model took the whole budget


@dataclass(frozen=True, slots=True)
class OrToolsEngine:
    """OR-Tools behind the Protocol."""

    name: str = "ortools"

    def solve(
        self,
        problem: Problem,
        matrix: Matrix,
        budget: Budget,
        on_progress: Callable[[Progress], None],
    ) -> Outcome:
        """Improve the insertion start until the budget is spent; never worse than the start."""
        begun = monotonic()
        start = construct(problem, matrix)
        if not problem.shifts or not problem.visits:
            return Outcome(self.name, start.trips, start.cost_s)
        model = _Model(problem, matrix)
        left = replace(budget, seconds=max(MIN_S, budget.seconds - (monotonic() - begun)))
        found = model.improve(start.trips, left, on_progress)
        filled = extend(problem, matrix, found)
        best = min((filled, start), key=lambda outcome: outcome.cost_s)
        return Outcome(self.name, best.trips, best.cost_s)


class _Model:
    """One OR-Tools routing model; node numbers are ours, indices are OR-Tools'."""

    def __init__(self, problem: Problem, matrix: Matrix) -> None:
        self.problem, self.matrix = problem, matrix
        self.index = pywrapcp.RoutingIndexManager(len(matrix), len(problem.shifts), 0)
        self.routing = pywrapcp.RoutingModel(self.index)
        self._price()
        self._limit_loads()
        self._limit_time()
        self._limit_vehicles()
        if any(visit.pin is not None for visit in problem.visits):
            self._keep_pinned_order()

    def improve(
        self, start: Sequence[Trip], budget: Budget, on_progress: Callable[[Progress], None]
    ) -> tuple[Trip, ...]:
        """Search from the start and return the best trips found (the start, if none is)."""
        self.routing.CloseModel()
        routes = self._as_routes(start)
        first = self.routing.ReadAssignmentFromRoutes(routes, IGNORE_INACTIVE)
        watch = _Watch(self.routing, budget, on_progress)
        self.routing.AddAtSolutionCallback(watch.saw_solution)
        parameters = _parameters(budget)
        if first is None:
            solution = self.routing.SolveWithParameters(parameters)
        else:
            solution = self.routing.SolveFromAssignmentWithParameters(first, parameters)
        return tuple(start) if solution is None else self._trips(solution)

    def _price(self) -> None:
        travel = self.routing.RegisterTransitMatrix(self.matrix)
        self.routing.SetArcCostEvaluatorOfAllVehicles(travel)
        for vehicle, shift in enumerate(self.problem.shifts):
            self.routing.SetFixedCostOfVehicle(shift.fixed_cost_s, vehicle)
        for node, visit in enumerate(self.problem.visits, 1):
            self.routing.AddDisjunction([self.index.NodeToIndex(node)], visit.drop_penalty_s)

    def _limit_loads(self) -> None:
        shifts, visits = self.problem.shifts, self.problem.visits
        kinds = (
            ("grams", [v.demand.grams for v in visits], [s.vehicle.capacity.grams for s in shifts]),
            ("cm3", [v.demand.cm3 for v in visits], [s.vehicle.capacity.cm3 for s in shifts]),
        )
        for name, demands, capacities in kinds:
            evaluator = self.routing.RegisterUnaryTransitVector([0, *demands])
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, capacities, FROM_ZERO, name)

    def _limit_time(self) -> None:
        service = [0, *(visit.service_s for visit in self.problem.visits)]
        spent = [
            [s + t if i != j else 0 for j, t in enumerate(row)]
            for i, (s, row) in enumerate(zip(service, self.matrix, strict=True))
        ]
        horizon = max(shift.ends_s for shift in self.problem.shifts)
        evaluator = self.routing.RegisterTransitMatrix(spent)
        self.routing.AddDimension(evaluator, horizon, horizon, not FROM_ZERO, "time")
        self.time = self.routing.GetDimensionOrDie("time")
        for vehicle, shift in enumerate(self.problem.shifts):
            for end in (self.routing.Start(vehicle), self.routing.End(vehicle)):
                self.time.CumulVar(end).SetRange(shift.starts_s, shift.ends_s)

    def _limit_vehicles(self) -> None:
        for node, visit in enumerate(self.problem.visits, 1):
            at, able = self.index.NodeToIndex(node), self._able(node, visit)
            if len(able) < len(self.problem.shifts):
                # SetAllowedVehiclesForIndex raises TypeError in the 9.15 wheel.
                self.routing.VehicleVar(at).SetValues([ABSENT, *able])
            if able:  # a window that no shift can meet would make the model impossible
                self.time.CumulVar(at).SetRange(visit.window.opens_s, visit.window.closes_s)

    def _able(self, node: int, visit: Visit) -> list[int]:
        return [
            vehicle
            for vehicle, shift in enumerate(self.problem.shifts)
            if visit.needs <= shift.skills
            and (visit.pin is None or visit.pin.shift == shift.id)
            and reachable(self.problem, self.matrix, shift, node)
        ]

    def _keep_pinned_order(self) -> None:
        """A counter that never falls along a route, and at a ranked visit stands at its rank.

        So the order holds between any two who are visited, whoever between them is left out.
        """
        pins = ((node, visit.pin) for node, visit in enumerate(self.problem.visits, 1))
        ranks = {node: pin.rank for node, pin in pins if pin is not None and pin.rank is not None}
        place = {rank: number for number, rank in enumerate(sorted(set(ranks.values())))}
        flat = self.routing.RegisterUnaryTransitVector([0] * len(self.matrix))
        self.routing.AddDimension(flat, len(place), len(place), not FROM_ZERO, "rank")
        counter = self.routing.GetDimensionOrDie("rank")
        for node, rank in ranks.items():
            at = self.index.NodeToIndex(node)
            counter.CumulVar(at).SetRange(place[rank], place[rank])

    def _as_routes(self, trips: Sequence[Trip]) -> list[list[int]]:
        node_of = {visit.id: node for node, visit in enumerate(self.problem.visits, 1)}
        trip_of = {trip.shift: trip for trip in trips}
        return [
            [self.index.NodeToIndex(node_of[visit]) for visit in trip_of[shift.id].visits]
            if shift.id in trip_of
            else []
            for shift in self.problem.shifts
        ]

    def _trips(self, solution: pywrapcp.Assignment) -> tuple[Trip, ...]:
        trips = []
        for vehicle, shift in enumerate(self.problem.shifts):
            visits, at = [], solution.Value(self.routing.NextVar(self.routing.Start(vehicle)))
            while not self.routing.IsEnd(at):
                visits.append(self.problem.visits[self.index.IndexToNode(at) - 1].id)
                at = solution.Value(self.routing.NextVar(at))
            if visits:
                trips.append(Trip(shift.id, tuple(visits)))
        return tuple(trips)


class _Watch:
    """Follows the search: tells the progress, and ends it when it has been idle too long."""

    def __init__(
        self,
        routing: pywrapcp.RoutingModel,
        budget: Budget,
        tell: Callable[[Progress], None],
    ) -> None:
        self.routing, self.budget, self.tell = routing, budget, tell
        self.started = self.told = monotonic()
        self.improved = process_time()  # a busy machine must not make a search look idle
        self.best: int | None = None
        self.answers = 0

    def saw_solution(self) -> None:
        """Called by OR-Tools at every accepted answer, better or not."""
        now, cost = monotonic(), int(self.routing.CostVar().Max())
        self.answers += 1
        if self.best is None or cost < self.best:
            self.best, self.improved = cost, process_time()
        if now - self.told > 0.25:
            self.told = now
            self.tell(Progress(min(1.0, (now - self.started) / self.budget.seconds), self.best))
        idle_s = process_time() - self.improved
        idle = self.budget.solutions is None and idle_s > self.budget.idle_s
        if idle or self.answers == self.budget.solutions:
            self.routing.solver().FinishCurrentSearch()


def _parameters(budget: Budget) -> RoutingSearchParameters:
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.local_search_metaheuristic = LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromMilliseconds(max(1, int(budget.seconds * 1000)))
    return parameters
