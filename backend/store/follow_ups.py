"""Queries about what must follow where a fact contradicted what was decided."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from backend.domain.follow_up import FollowUpKind, FollowUpState
from backend.tables.follow_ups import FollowUp


@dataclass(frozen=True, slots=True)
class Task:
    """A follow-up as people see it."""

    id: UUID
    kind: str
    state: str
    at: datetime
    depot_id: UUID
    stop_id: UUID
    mutation_id: UUID
    done_at: datetime | None


_COLUMNS: tuple[Mapped[Any], ...] = (
    col(FollowUp.id),
    col(FollowUp.kind),
    col(FollowUp.state),
    col(FollowUp.at),
    col(FollowUp.depot_id),
    col(FollowUp.stop_id),
    col(FollowUp.mutation_id),
    col(FollowUp.done_at),
)


async def is_open_or_done(
    tx: AsyncSession, stop_id: UUID, kind: FollowUpKind, mutation_id: UUID
) -> bool:
    """Say whether this cause has its follow-up; whoever asks holds the stop."""
    query = select(col(FollowUp.id)).where(
        col(FollowUp.stop_id) == stop_id,
        col(FollowUp.kind) == kind.value,
        col(FollowUp.mutation_id) == mutation_id,
    )
    return await tx.scalar(query) is not None


async def lock(tx: AsyncSession, id_: UUID) -> FollowUp | None:
    """Find a follow-up and hold it."""
    query = select(FollowUp).where(col(FollowUp.id) == id_).with_for_update()
    return (await tx.execute(query)).scalar_one_or_none()


async def lock_open(tx: AsyncSession, stop_id: UUID) -> Sequence[FollowUp]:
    """Hold what is still to be done at a stop, oldest first."""
    query = (
        select(FollowUp)
        .where(col(FollowUp.stop_id) == stop_id, col(FollowUp.state) == FollowUpState.OPEN.value)
        .order_by(col(FollowUp.id))
    )
    return (await tx.scalars(query.with_for_update())).all()


async def find(tx: AsyncSession, id_: UUID) -> Task | None:
    """Find a follow-up."""
    row = (await tx.execute(select(*_COLUMNS).where(col(FollowUp.id) == id_))).one_or_none()
    return None if row is None else Task(*row)


async def listed(
    tx: AsyncSession,
    *,
    state: str | None,
    depots: Collection[UUID] | None,
    after: UUID | None,
    limit: int,
) -> list[Task]:
    """Return follow-ups oldest first; ``depots`` None means all."""
    query = select(*_COLUMNS).order_by(col(FollowUp.id)).limit(limit)
    if state is not None:
        query = query.where(col(FollowUp.state) == state)
    if depots is not None:
        query = query.where(col(FollowUp.depot_id).in_(depots))
    if after is not None:
        query = query.where(col(FollowUp.id) > after)
    return [Task(*row) for row in await tx.execute(query)]


async def of_mutations(tx: AsyncSession, ids: Collection[UUID]) -> dict[UUID, list[Task]]:
    """Return what follows from mutations, by mutation, oldest first."""
    found: dict[UUID, list[Task]] = {}
    if not ids:
        return found
    query = select(*_COLUMNS).where(col(FollowUp.mutation_id).in_(ids)).order_by(col(FollowUp.id))
    for row in await tx.execute(query):
        task = Task(*row)
        found.setdefault(task.mutation_id, []).append(task)
    return found


async def of_stop(tx: AsyncSession, stop_id: UUID) -> list[Task]:
    """Return what follows at a stop, oldest first."""
    query = select(*_COLUMNS).where(col(FollowUp.stop_id) == stop_id).order_by(col(FollowUp.id))
    return [Task(*row) for row in await tx.execute(query)]
