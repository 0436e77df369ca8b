"""What planning answers: routes with times, and a reason for every visit left out.

Engines answer with an ``Outcome`` (orders only); ``plan.lay_out`` makes the ``DayPlan`` of it.
"""

from dataclasses import dataclass

from planner.problem import Reason


@dataclass(frozen=True, slots=True)
class Trip:
    """A shift and the visits it makes, in order."""

    shift: str
    visits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An engine's answer; ``cost_s`` is what the engine believes, the checker counts again."""

    engine: str
    trips: tuple[Trip, ...]
    cost_s: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the search is: share of the budget spent, and the best cost so far."""

    share: float
    cost_s: int


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A visit with its times, in seconds since the problem's origin.

    ``arrives_s`` may lie before the window opens; ``begins_s`` never does.
    """

    visit: str
    arrives_s: int
    begins_s: int
    leaves_s: int


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """One shift's work: leave the depot, visit in this order, be back."""

    shift: str
    leaves_s: int
    returns_s: int
    travel_s: int
    visits: tuple[PlannedVisit, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A visit without a route, the code that says why, and the same in words."""

    visit: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class DayPlan:
    """The whole answer for a depot's day.

    ``cost_s`` = driving + fixed cost of each used shift + penalty of each visit left out.
    """

    engine: str
    routes: tuple[PlannedRoute, ...]
    left_out: tuple[LeftOut, ...]
    cost_s: int

    @property
    def served(self) -> int:
        """Number of visits that have a route."""
        return sum(len(route.visits) for route in self.routes)
