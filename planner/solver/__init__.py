"""Engines behind one Protocol; ``engine`` picks one by name.

Only modules in here may import a solver library. An engine gets a problem, the travel seconds and
a budget, tells its progress, and answers with trips. It may leave visits out; nobody trusts it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from planner.answer import Outcome, Progress
from planner.matrix import Matrix
from planner.problem import Problem

ENGINES = ("ortools",)


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a search may take: at most ``seconds`` on the clock, or ``idle_s`` of
    computing without a better answer.

    ``solutions`` ends it after so many answers instead, which makes a run repeatable.

    Raises:
        ValueError: a limit that is not positive.
    """

    seconds: float
    idle_s: float
    solutions: int | None = None

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.idle_s <= 0:
            raise ValueError("a budget must be positive")
        if self.solutions is not None and self.solutions <= 0:
            raise ValueError("a search needs at least one answer")

    @classmethod
    def fit(cls, visits: int, limit_s: float = 60.0) -> "Budget":
        """Return what a problem of this size deserves, within the limit; 8 s for 150 visits."""
        seconds = min(limit_s, 8.0 if 112 < visits <= 300 else 0.5 + visits / 15)
        return cls(seconds, max(0.5, seconds / 3))


class Solver(Protocol):
    """An engine. ``name`` is what plans and benchmarks call it."""

    @property
    def name(self) -> str:
        """The engine's short name."""
        ...

    def solve(
        self,
        problem: Problem,
        matrix: Matrix,
        budget: Budget,
        on_progress: Callable[[Progress], None],
    ) -> Outcome:
        """Search until the budget is spent and return the best answer found."""
        ...


def engine(name: str) -> Solver:
    """Load an engine by name; the library behind it is imported only now.

    Raises:
        ValueError: there is no such engine.
    """
    if name == "ortools":
        from planner.solver.ortools_engine import OrToolsEngine

        return OrToolsEngine()
    raise ValueError(f"no engine is called {name!r}; there is: {', '.join(ENGINES)}")
