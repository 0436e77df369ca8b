"""`plan` a depot's day and `release` it: what the console does, from the command line."""

import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller, counted
from backend.domain.people import SYSTEM
from backend.domain.route import PlanState
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.dispatch.release import Released
    from backend.store.database import Database, Tx
    from backend.tables.plans import Plan

LOOK_EVERY_S = 0.25
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--depot", "code", required=True, help="The depot's code.")
@click.option("--date", "day", required=True, type=_DAY, help="The service day.")
@click.option("--engine", default="ortools", show_default=True, help="Who searches.")
@click.option("--time-limit", type=click.FloatRange(0, 3600, min_open=True), help="Seconds.")
@data_option
@json_option
def plan(
    code: str,
    day: datetime,
    engine: str,
    time_limit: float | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Build the routes of a depot's day; an unreleased plan of that day gives way."""
    from planner.solver import ENGINES

    if engine not in ENGINES:
        known = ", ".join(ENGINES)
        raise click.BadParameter(f"{engine!r}; there is: {known}", param_hint="--engine")
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings:
        made, before = asyncio.run(_plan(settings, tell, code, day, engine, time_limit))
    if made.state == PlanState.FAILED:
        raise click.ClickException(f"the plan failed: {made.error}")
    tell.result(_words(made, code, before), {**_facts(made, code), "already_released": before})


@click.command()
@click.argument("plan_id", required=False, type=click.UUID)
@click.option("--depot", "code", help="Instead of PLAN_ID: the depot's code ...")
@click.option("--date", "day", type=_DAY, help="... and the day whose newest plan is meant.")
@data_option
@json_option
def release(
    plan_id: UUID | None, code: str | None, day: datetime | None, data: Path | None, as_json: bool
) -> None:
    """Make a plan binding and visible to its drivers; releasing twice is harmless."""
    if plan_id is None and (code is None or day is None):
        raise click.UsageError("name PLAN_ID, or --depot and --date")
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings:
        plan_id, out, before = asyncio.run(_release(settings, tell, plan_id, code, day))
    released = f"{counted(out.routes, 'route')}, {counted(out.stops, 'stop')} released"
    if out.routes == 0 and before:
        released = _out_already(before)
    facts = {"plan_id": str(plan_id), "routes": out.routes, "stops": out.stops}
    tell.result(f"Plan {plan_id}: {released}.", {**facts, "already_released": before})


async def _plan(
    settings: Settings,
    tell: Teller,
    code: str,
    day: datetime,
    engine: str,
    time_limit: float | None,
) -> "tuple[Plan, int]":
    """The plan, and how many stops of its day had been released before."""
    from backend.cli.ground import database
    from backend.store import plans
    from planner.service import queue_plan

    async with database(settings) as db:
        async with db.begin() as tx:
            depot_id = await _depot(tx, code)
            plan_id = await queue_plan(
                tx,
                depot_id,
                day.date(),
                requested_by="cli",
                time_limit_s=time_limit,
                engine=engine,
            )
        assert plan_id is not None  # only a night can have its plan already
        made = await _made(db, tell, plan_id)
        async with db.snapshot() as tx:
            return made, await plans.stops_out(tx, depot_id, day.date())


async def _made(db: "Database", tell: Teller, plan_id: UUID) -> "Plan":
    """Make the plan here, or look on while the jobs process makes it."""
    from backend.tables.plans import Plan
    from planner.service import make_next_plan

    said, making = "", asyncio.create_task(make_next_plan(db, only=plan_id))
    try:
        while True:
            async with db.snapshot() as tx:
                row = await tx.get_one(Plan, plan_id)
            if row.state in (PlanState.DONE, PlanState.FAILED):
                return row
            if (step := _step(row)) != said:
                said = step
                tell(step)
            if making.done():
                making.result()
                making = asyncio.create_task(make_next_plan(db, only=plan_id))
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making


def _step(row: "Plan") -> str:
    if row.state == PlanState.QUEUED:
        return "waiting for a free planner"
    if row.progress <= 0:
        return "gathering the day"
    tenth = int(row.progress * 10) * 10
    return f"searching for the best routes, {tenth} %" if tenth < 90 else "checking and writing"


async def _release(
    settings: Settings, tell: Teller, plan_id: UUID | None, code: str | None, day: datetime | None
) -> "tuple[UUID, Released, int]":
    """The plan, what was put on the road, and how many stops of its day had been before."""
    from backend.cli.ground import database
    from backend.dispatch.release import release_plan
    from backend.store import plans
    from backend.tables.plans import Plan

    async with database(settings) as db, db.begin() as tx:
        if plan_id is None:
            assert code is not None
            assert day is not None
            plan_id = await plans.newest(tx, await _depot(tx, code), day.date())
            if plan_id is None:
                raise click.ClickException(f"{code} has no plan for {day:%Y-%m-%d}")
        tell(f"releasing plan {plan_id}")
        out = await release_plan(tx, SYSTEM, plan_id)
        await tx.flush()
        made = await tx.get_one(Plan, plan_id)
        before = await plans.stops_out(tx, made.depot_id, made.date) - out.stops
    return plan_id, out, before


async def _depot(tx: "Tx", code: str) -> UUID:
    from backend.store import fleet

    depot = await fleet.depot_by_code(tx, code)
    if depot is None:
        raise click.ClickException(f"there is no depot {code!r}")
    return depot.id


def _out_already(before: int) -> str:
    return f"everything of that day is released already ({counted(before, 'stop')})"


def _words(made: "Plan", code: str, before: int) -> str:
    visited = f"{counted(made.assigned, 'stop')} on {counted(made.routes, 'route')}"
    visited += f", {len(made.unassigned)} left out"
    if before and not made.assigned and not made.unassigned:
        visited = _out_already(before)
    lines = [f"{code} {made.date}: {visited}. Plan {made.id}"]
    lines += [f"  {left['reference']}: {left['detail']}" for left in made.unassigned[:20]]
    if len(made.unassigned) > 20:
        lines.append(f"  ... and {len(made.unassigned) - 20} more")
    return "\n".join(lines)


def _facts(made: "Plan", code: str) -> dict[str, object]:
    return {
        "plan_id": str(made.id),
        "depot": code,
        "date": made.date.isoformat(),
        "state": made.state,
        "routes": made.routes,
        "assigned": made.assigned,
        "unassigned": made.unassigned,
        "cost": made.cost,
        "engine": made.engine,
    }
