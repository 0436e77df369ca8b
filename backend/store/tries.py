"""Counted tries of guessable things, exact across processes: reserved before they are made."""

from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.tables.installation import TryWindow


async def reserve(
    tx: AsyncSession, key: str, now: datetime, *, limit: int, window: timedelta
) -> timedelta | None:
    """Take one try of ``key``; return None if there was one left, else how long to wait.

    A try that is refused is not counted: many who are right at once must not shut each other out.
    """
    over = col(TryWindow.started_at) <= now - window
    fresh = insert(TryWindow).values(key=key, started_at=now, tries=1)
    taken = await tx.execute(
        fresh.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "tries": case((over, 1), else_=col(TryWindow.tries) + 1),
                "started_at": case((over, now), else_=col(TryWindow.started_at)),
            },
            where=over | (col(TryWindow.tries) < limit),
        ).returning(col(TryWindow.tries))
    )
    if taken.first() is not None:
        return None
    began = await tx.scalar(select(col(TryWindow.started_at)).where(col(TryWindow.key) == key))
    return (began or now) + window - now


async def refund(tx: AsyncSession, key: str) -> None:
    """Give a try back: it was not a wrong one."""
    await tx.execute(
        update(TryWindow)
        .where(col(TryWindow.key) == key)
        .values(tries=func.greatest(col(TryWindow.tries) - 1, 0))
    )


async def forget(tx: AsyncSession, before: datetime) -> None:
    """Drop windows that are over."""
    await tx.execute(delete(TryWindow).where(col(TryWindow.started_at) < before))
