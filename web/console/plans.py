"""Plans under ``/console/v1``: ask for one, look at it, release it."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from backend.clock import rfc3339
from backend.dispatch.fleet import DepotNotFound
from backend.dispatch.release import release_plan
from backend.domain.people import Role
from backend.domain.route import PlanState
from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.store import fleet, routes
from backend.store.database import Database, Tx
from backend.tables.plans import Plan
from backend.wire.json import read_json
from planner.service import queue_plan
from web.paths import the_id
from web.query import read_date


class PlanIn(msgspec.Struct, frozen=True):
    """Which day of which depot is to be planned, and how long the search may take."""

    depot: Annotated[str, Meta(max_length=40)]
    date: str
    time_limit_s: Annotated[float, Meta(gt=0, le=600)] | None = None


class QueuedOut(msgspec.Struct, frozen=True):
    """A plan that waits to be made."""

    plan_id: UUID


class UnassignedOut(msgspec.Struct, frozen=True):
    """A consignment without a route, and why."""

    reference: str
    consignment_id: UUID
    reason: str
    detail: str


class PlanOut(msgspec.Struct, frozen=True):
    """A planning run; ``cost`` is in seconds of driving, ``progress`` from 0 to 1."""

    id: UUID
    depot: str
    date: str
    state: Literal["queued", "running", "done", "failed"]
    progress: float
    routes: int
    assigned: int
    unassigned: list[UnassignedOut]
    cost: int | None
    engine: str
    error: str | None
    superseded: bool
    released_at: str | None
    created_at: str
    finished_at: str | None


class ReleasedOut(msgspec.Struct, frozen=True):
    """What a release put on the road; nothing the second time."""

    plan_id: UUID
    released_at: str
    routes: int
    stops: int


class PlanController(Controller):
    """Planning runs."""

    path = "/plans"

    @post(operation_id="makePlan", status_code=202, opt={"body": PlanIn})
    async def make(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> QueuedOut:
        """Ask for a plan; it is made by the jobs process, look at it meanwhile."""
        person.must_be(Role.SUPERVISOR)
        asked = await read_json(request, PlanIn)
        date = read_date(asked.date)
        assert date is not None  # it was given
        async with db.begin() as tx:
            depot = await fleet.depot_by_code(tx, asked.depot)
            if depot is None or not person.sees(depot.id):
                raise DepotNotFound
            plan_id = await queue_plan(
                tx,
                depot.id,
                date,
                requested_by=str(person.id),
                time_limit_s=asked.time_limit_s,
            )
        assert plan_id is not None  # only a night can have its plan already
        return QueuedOut(plan_id)

    @get("/{plan_id:str}", operation_id="getPlan")
    async def one(
        self,
        plan_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> PlanOut:
        """Show how far a plan is, its sums, and a reason for everybody left out."""
        async with db.snapshot() as tx:
            plan = await _must_see(tx, person, the_id(plan_id))
            codes = await fleet.depot_codes(tx)
        return plan_out(plan, codes[plan.depot_id])

    @post("/{plan_id:str}/release", operation_id="releasePlan", status_code=200)
    async def release(
        self,
        plan_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> Response[ReleasedOut]:
        """Make a plan's routes binding and visible to drivers; again is harmless."""
        person.must_be(Role.SUPERVISOR)
        known = the_id(plan_id)
        async with db.begin() as tx:
            await _must_see(tx, person, known)
            out = await release_plan(tx, person.actor, known)
            plan = await routes.plan(tx, known)
        assert plan is not None
        assert plan.released_at is not None
        return Response(ReleasedOut(known, rfc3339(plan.released_at), out.routes, out.stops))


async def _must_see(tx: Tx, person: SignedIn, plan_id: UUID) -> Plan:
    plan = await routes.plan(tx, plan_id)
    if plan is None:
        raise NotFound
    person.must_see(plan.depot_id)
    return plan


def plan_out(plan: Plan, depot: str) -> PlanOut:
    """Write a plan for the wire."""
    return PlanOut(
        id=plan.id,
        depot=depot,
        date=plan.date.isoformat(),
        state=PlanState(plan.state).value,
        progress=round(plan.progress, 3),
        routes=plan.routes,
        assigned=plan.assigned,
        unassigned=[msgspec.convert(left, UnassignedOut) for left in plan.unassigned],
        cost=plan.cost,
        engine=plan.engine,
        error=plan.error,
        superseded=plan.superseded,
        released_at=_time(plan.released_at),
        created_at=rfc3339(plan.created_at),
        finished_at=_time(plan.finished_at),
    )


def _time(moment: dt.datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
