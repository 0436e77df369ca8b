"""Planning runs: queued, claimed by one worker at a time, kept alive by its heartbeat."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Exists, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import col

from backend.domain.route import PlanState
from backend.store.database import Tx, moment
from backend.tables.plans import Plan, Route
from backend.tables.stops import Stop

LEASE = dt.timedelta(seconds=15)
_ONE_CLAIM_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('plan.claim'))")


@dataclass(frozen=True, slots=True)
class Claim:
    """A plan in the hands of one worker, until the lease runs out."""

    plan_id: UUID
    depot_id: UUID
    date: dt.date
    engine: str
    time_limit_s: float
    worker: str


async def add(tx: Tx, plan: Plan) -> bool:
    """Queue a plan; False if it is a nightly one and that night has its plan already."""
    fresh = insert(Plan).values(plan.model_dump()).on_conflict_do_nothing()
    return (await tx.execute(fresh.returning(col(Plan.id)))).first() is not None


async def claim(tx: Tx, worker: str, only: UUID | None = None) -> Claim | None:
    """Take the oldest plan that waits, or whose worker died; never two of a depot's day at once."""
    await tx.execute(_ONE_CLAIM_AT_A_TIME)
    now = moment(tx)
    waits = or_(
        col(Plan.state) == PlanState.QUEUED,
        and_(col(Plan.state) == PlanState.RUNNING, col(Plan.claimed_until) < now),
    )
    query = select(Plan).where(waits, ~_sibling_runs(now)).order_by(col(Plan.created_at)).limit(1)
    if only is not None:
        query = query.where(col(Plan.id) == only)
    plan = await tx.scalar(query.with_for_update(skip_locked=True, of=Plan))
    if plan is None:
        return None
    plan.state, plan.progress, plan.error = PlanState.RUNNING, 0.0, None
    plan.claimed_by, plan.claimed_until = worker, now + LEASE
    return Claim(plan.id, plan.depot_id, plan.date, plan.engine, plan.time_limit_s, worker)


def _sibling_runs(now: dt.datetime) -> Exists:
    """Ask whether another plan of the same depot and date is being made right now."""
    other = aliased(Plan)
    return (
        select(col(other.id))
        .where(
            col(other.depot_id) == col(Plan.depot_id),
            col(other.date) == col(Plan.date),
            col(other.id) != col(Plan.id),
            col(other.state) == PlanState.RUNNING,
            col(other.claimed_until) >= now,
        )
        .exists()
    )


async def keep(tx: Tx, claimed: Claim, progress: float) -> bool:
    """Prolong the lease and tell the progress; False if the claim is somebody else's now."""
    done = await tx.execute(
        update(Plan)
        .where(
            col(Plan.id) == claimed.plan_id,
            col(Plan.claimed_by) == claimed.worker,
            col(Plan.state) == PlanState.RUNNING,
        )
        .values(progress=progress, claimed_until=moment(tx) + LEASE)
        .returning(col(Plan.id))
    )
    return done.first() is not None


async def held(tx: Tx, claimed: Claim) -> Plan | None:
    """Lock and return the plan of a claim; None if the claim is somebody else's now."""
    plan = await tx.get(Plan, claimed.plan_id, with_for_update=True)
    if plan is None or plan.claimed_by != claimed.worker or plan.state != PlanState.RUNNING:
        return None
    return plan


async def replaceable(tx: Tx, depot_id: UUID, date: dt.date) -> Sequence[Plan]:
    """Lock and return the plans of a depot's day that nobody released: a new one replaces them."""
    query = (
        select(Plan)
        .where(
            col(Plan.depot_id) == depot_id,
            col(Plan.date) == date,
            col(Plan.state) == PlanState.DONE,
            col(Plan.released_at).is_(None),
            col(Plan.superseded).is_(False),
        )
        .order_by(col(Plan.id))
        .with_for_update()
    )
    return (await tx.scalars(query)).all()


async def stops_out(tx: Tx, depot_id: UUID, date: dt.date) -> int:
    """How many stops of a depot's day were released, whatever became of them since."""
    query = (
        select(func.count())
        .select_from(Stop)
        .join(Route, col(Route.id) == col(Stop.route_id))
        .where(
            col(Route.depot_id) == depot_id,
            col(Route.date) == date,
            col(Route.released_at).is_not(None),
        )
    )
    return await tx.scalar(query) or 0


async def newest(tx: Tx, depot_id: UUID, date: dt.date) -> UUID | None:
    """Return the plan of a depot's day that counts: the newest that was made and not superseded."""
    query = select(col(Plan.id)).where(
        col(Plan.depot_id) == depot_id,
        col(Plan.date) == date,
        col(Plan.state) == PlanState.DONE,
        col(Plan.superseded).is_(False),
    )
    return await tx.scalar(query.order_by(col(Plan.created_at).desc()).limit(1))
