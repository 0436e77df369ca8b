"""Planning as the control room knows it: ask for a plan, and somebody makes it.

Whoever calls ``make_next_plan`` claims one waiting plan; a lease that its heartbeat prolongs lets
another take it up when the first one dies. The engine runs in a process of its own, and what the
independent checker refuses is never published.
"""

import asyncio
import logging
import os
import socket
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from backend.domain.route import PlanState
from backend.ids import new_id
from backend.store import planning, plans, segments
from backend.store.database import Database, Tx, moment
from backend.tables.plans import Plan
from planner.answer import DayPlan, Outcome, Progress
from planner.apart import EngineFailed, solve_apart
from planner.check import check
from planner.day import Day, compile_day
from planner.matrix import CrowFlight, TravelTimes, matrix_of
from planner.plan import lay_out
from planner.problem import Problem
from planner.publish import DayChanged, publish
from planner.solver import Budget

log = logging.getLogger(__name__)

ENGINE = "ortools"
LIMIT_S = 60.0
"""How long a search may take unless somebody asks otherwise; small days take far less."""

BEAT_S = 1.0
TRIES = 3
_GATHERED, _SEARCHED = 0.05, 0.9


class PlanRefused(RuntimeError):
    """The checker found broken promises; the plan was not published."""


class ClaimLost(Exception):
    """Another worker took the plan up; whatever this one found is void."""


async def queue_plan(
    tx: Tx,
    depot_id: UUID,
    day: date,
    *,
    requested_by: str,
    time_limit_s: float | None = None,
    engine: str = ENGINE,
    nightly: bool = False,
) -> UUID | None:
    """Ask for a plan of a depot's day; None if it is a night's plan and that night has one."""
    plan = Plan(
        id=new_id(),
        depot_id=depot_id,
        date=day,
        state=PlanState.QUEUED,
        nightly=nightly,
        requested_by=requested_by,
        time_limit_s=time_limit_s or LIMIT_S,
        engine=engine,
        unassigned=[],
        created_at=moment(tx),
    )
    return plan.id if await plans.add(tx, plan) else None


async def make_next_plan(
    db: Database, *, only: UUID | None = None, times: TravelTimes | None = None
) -> UUID | None:
    """Claim one waiting plan and make it; None if none waits (or ``only`` is not waiting)."""
    worker = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    async with db.begin() as tx:
        claim = await plans.claim(tx, worker, only)
    if claim is None:
        return None
    try:
        await _make(db, claim, times or CrowFlight())
    except ClaimLost:
        log.warning("plan %s is in other hands now", claim.plan_id)
    except Exception as error:
        log.exception("plan %s failed", claim.plan_id)
        await _fail(db, claim, f"{type(error).__name__}: {error}")
    return claim.plan_id


@dataclass(slots=True)
class _Pulse:
    """The progress that the next heartbeat tells; heart and publication exclude one another."""

    progress: float = 0.0
    over: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


async def _make(db: Database, claim: plans.Claim, times: TravelTimes) -> None:
    pulse = _Pulse()
    beating = asyncio.create_task(_beat(db, claim, pulse))
    making = asyncio.create_task(_until_fresh(db, claim, times, pulse))
    try:
        done, _ = await asyncio.wait((beating, making), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (beating, making):
            task.cancel()
        await asyncio.gather(beating, making, return_exceptions=True)


async def _beat(db: Database, claim: plans.Claim, pulse: _Pulse) -> None:
    """Prolong the lease until cancelled.

    Raises:
        ClaimLost: the lease is somebody else's.
    """
    while True:
        await asyncio.sleep(BEAT_S)
        async with pulse.lock:
            if pulse.over:
                return
            async with db.begin() as tx:
                if not await plans.keep(tx, claim, pulse.progress):
                    raise ClaimLost


async def _until_fresh(db: Database, claim: plans.Claim, times: TravelTimes, pulse: _Pulse) -> None:
    """Plan the day, again if it changed meanwhile."""
    for last in (*[False] * (TRIES - 1), True):
        day = await _gather(db, claim, times)
        pulse.progress = _GATHERED
        answer = await _search(claim, day, times, pulse)
        try:
            await _publish(db, claim, day, answer, pulse)
            return
        except DayChanged as error:
            if last:
                raise EngineFailed("the day's consignments kept changing; plan again") from error


async def _publish(
    db: Database, claim: plans.Claim, day: Day, answer: DayPlan, pulse: _Pulse
) -> None:
    """Write the plan while its row is ours; nobody can claim it meanwhile, so no beat is due."""
    async with pulse.lock:
        async with db.begin() as tx:
            plan = await plans.held(tx, claim)
            if plan is None:
                raise ClaimLost
            await publish(tx, plan, day, answer)
        pulse.over = True


async def _gather(db: Database, claim: plans.Claim, times: TravelTimes) -> Day:
    async with db.snapshot() as tx:
        return compile_day(
            await planning.depot(tx, claim.depot_id),
            claim.date,
            await planning.goods(tx, claim.depot_id, claim.date),
            await planning.crews(tx, claim.depot_id, claim.date),
            await segments.current(tx),
            await planning.pins(tx, claim.depot_id, claim.date),
            await planning.engagements(tx, claim.depot_id, claim.date),
            await planning.special_skills(tx, claim.depot_id),
            times,
        )


async def _search(claim: plans.Claim, day: Day, times: TravelTimes, pulse: _Pulse) -> DayPlan:
    async def hear(progress: Progress) -> None:
        pulse.progress = _GATHERED + (_SEARCHED - _GATHERED) * progress.share

    problem = day.problem
    if problem.visits and problem.shifts:
        budget = Budget.fit(len(problem.visits), claim.time_limit_s)
        outcome = await solve_apart(claim.engine, problem, budget, hear)
    else:
        outcome = Outcome(claim.engine, (), 0)
    pulse.progress = _SEARCHED
    return await asyncio.to_thread(_checked, problem, times, outcome)


def _checked(problem: Problem, times: TravelTimes, outcome: Outcome) -> DayPlan:
    matrix = matrix_of(problem, times)
    answer = lay_out(problem, matrix, outcome)
    violations = check(problem, matrix, answer)
    if violations:
        shown = "; ".join(f"{v.breach} {v.subject} {v.detail}" for v in violations[:5])
        raise PlanRefused(f"{len(violations)} broken promises: {shown}")
    return answer


async def _fail(db: Database, claim: plans.Claim, error: str) -> None:
    async with db.begin() as tx:
        plan = await plans.held(tx, claim)
        if plan is not None:
            plan.state, plan.error, plan.finished_at = PlanState.FAILED, error, moment(tx)
            plan.claimed_by = plan.claimed_until = None
