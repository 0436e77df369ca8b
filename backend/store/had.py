"""Which mutations survived: what a phone asks after a failover."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.tables.mutations import Mutation


async def of_driver(tx: AsyncSession, driver_id: UUID, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the ids that any device of this driver sent and that are kept here."""
    query = select(col(Mutation.id)).where(
        col(Mutation.driver_id) == driver_id, col(Mutation.id).in_(ids)
    )
    return {found for found in (await tx.scalars(query)).all() if found is not None}
