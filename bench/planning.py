"""Planning time, cost and unserved visits by size and time limit, beside the insertion start.

    .venv/bin/python -m bench.planning [--sizes 150,300] [--limits 2,4,8]

Days are seeded. Every plan is checked; `wall` contains matrix, search, times and checker. The
`start` row is the same day by insertion alone, so that the gain of the search is visible.
"""

import argparse
from time import perf_counter

from planner.answer import DayPlan
from planner.check import check
from planner.construct import construct
from planner.matrix import CrowFlight, matrix_of
from planner.plan import lay_out
from planner.problem import Problem
from planner.solver import Budget, engine
from tests.planner.days import city_day


def plan_day(day: Problem, budget: Budget | None) -> DayPlan:
    """Plan and check a day; without a budget by insertion alone."""
    matrix = matrix_of(day, CrowFlight())
    if budget is None:
        outcome = construct(day, matrix)
    else:
        outcome = engine("ortools").solve(day, matrix, budget, lambda _: None)
    plan = lay_out(day, matrix, outcome)
    violations = check(day, matrix, plan)
    if violations:
        raise SystemExit(f"the plan is wrong: {violations[0]}")
    return plan


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="150,300")
    parser.add_argument("--limits", default="2,4,8")
    chosen = parser.parse_args()
    budgets = [None, *(Budget(float(s), float(s)) for s in chosen.limits.split(","))]
    print(f"{'visits':>6} {'limit s':>8} {'wall s':>7} {'cost s':>8} {'routes':>6} {'unserved':>8}")
    for size in (int(text) for text in chosen.sizes.split(",")):
        day = city_day(size)
        for budget in (*budgets, Budget.fit(size)):
            started = perf_counter()
            plan = plan_day(day, budget)
            wall = perf_counter() - started
            limit = "start" if budget is None else f"{budget.seconds:g}"
            limit += "*" if budget is not None and budget.idle_s < budget.seconds else ""
            print(
                f"{size:>6} {limit:>8} {wall:>7.2f} {plan.cost_s:>8} "
                f"{len(plan.routes):>6} {len(plan.left_out):>8}"
            )
    print("* the default budget, which also ends when nothing improves")


if __name__ == "__main__":
    main()
