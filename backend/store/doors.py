"""Queries about the door of a stop: guesses counted for life, and what spent its code or token."""

from collections.abc import Collection
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from backend.store.database import Tx
from backend.store.direct import fetch
from backend.tables.fleet import Shift
from backend.tables.plans import Route
from backend.tables.stops import Door, Stop

MOST_WRONG_TRIES = 5  # per stop, for life; the database holds the same bound


async def lock(tx: Tx, stop_id: UUID) -> Door:
    """Hold a stop's door: one guess at a time, from whatever process."""
    _seen(tx).pop(stop_id, None)
    await tx.execute(insert(Door).values(stop_id=stop_id, wrong_tries=0).on_conflict_do_nothing())
    query = select(Door).where(col(Door.stop_id) == stop_id).with_for_update()
    return (await tx.execute(query, execution_options={"populate_existing": True})).scalar_one()


async def find(tx: Tx, stop_id: UUID) -> Door | None:
    """Return a stop's door without holding it; None where nobody tried and nothing was spent."""
    if stop_id not in _seen(tx):
        await foresee(tx, [stop_id])
    return _seen(tx)[stop_id]


async def foresee(tx: Tx, stop_ids: Collection[UUID]) -> None:
    """Look at the doors of many stops at once, whose rows are held: no door changes meanwhile."""
    rows = await fetch(tx, "SELECT * FROM door WHERE stop_id = ANY($1)", stop_ids)
    found = {row["stop_id"]: Door(**row) for row in rows}
    _seen(tx).update({stop_id: found.get(stop_id) for stop_id in stop_ids})


def _seen(tx: Tx) -> dict[UUID, Door | None]:
    """Return the doors this transaction looked at and did not touch since."""
    return cast("dict[UUID, Door | None]", tx.info.setdefault("doors", {}))


async def count_wrong(tx: Tx, stop_id: UUID) -> int | None:
    """Count a wrong guess; return how many there are now, None where no further one is allowed."""
    counted = (
        update(Door)
        .where(col(Door.stop_id) == stop_id, col(Door.wrong_tries) < MOST_WRONG_TRIES)
        .values(wrong_tries=col(Door.wrong_tries) + 1)
        .returning(col(Door.wrong_tries))
        .execution_options(synchronize_session=False)
    )
    _seen(tx).pop(stop_id, None)
    return await tx.scalar(counted)


async def spend(tx: Tx, stop_id: UUID, *, by: str, means: str, at: datetime) -> bool:
    """Spend the present issue once; False where it was spent already."""
    spent = (
        update(Door)
        .where(col(Door.stop_id) == stop_id, col(Door.spent_at).is_(None))
        .values(spent_at=at, spent_by=by, spent_means=means)
        .returning(col(Door.stop_id))
        .execution_options(synchronize_session=False)
    )
    _seen(tx).pop(stop_id, None)
    return await tx.scalar(spent) is not None


async def renew(tx: Tx, stop_id: UUID) -> None:
    """Make way for a new issue: it is unspent, but every wrong guess still counts."""
    await lock(tx, stop_id)
    await tx.execute(
        update(Door)
        .where(col(Door.stop_id) == stop_id)
        .values(spent_at=None, spent_by=None, spent_means=None)
        .execution_options(synchronize_session=False)
    )


async def shift_end(tx: Tx, stop: Stop) -> datetime:
    """Return when the shift ends in which the stop is visited."""
    query = (
        select(col(Shift.ends_at))
        .join(Route, col(Route.shift_id) == col(Shift.id))
        .where(col(Route.id) == stop.route_id)
    )
    return (await tx.execute(query)).scalar_one()
