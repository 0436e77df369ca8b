"""Who runs the timetable: a lease row, and an epoch that rises whenever it changes hands."""

import datetime as dt

from sqlalchemy import case, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from backend.store.database import Tx, moment
from backend.tables.installation import LeaderLease


async def take(tx: Tx, name: str, holder: str, life: dt.timedelta) -> int | None:
    """Take or prolong a lease; return its epoch, or None while another holds it."""
    now = moment(tx)
    first = insert(LeaderLease).values(name=name, holder=holder, epoch=1, expires_at=now + life)
    stays = col(LeaderLease.holder) == holder
    again = first.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "holder": holder,
            "epoch": col(LeaderLease.epoch) + case((stays, 0), else_=1),
            "expires_at": now + life,
        },
        where=stays | (col(LeaderLease.expires_at) < now),
    )
    return (await tx.execute(again.returning(col(LeaderLease.epoch)))).scalar_one_or_none()


async def holds(tx: Tx, name: str, holder: str, epoch: int) -> bool:
    """Tell whether a lease is still held in that epoch, and keep it so until the commit."""
    query = select(col(LeaderLease.epoch)).where(
        col(LeaderLease.name) == name,
        col(LeaderLease.holder) == holder,
        col(LeaderLease.epoch) == epoch,
    )
    return await tx.scalar(query.with_for_update(read=True)) is not None


async def give_up(tx: Tx, name: str, holder: str) -> None:
    """Let the next one have it at once."""
    await tx.execute(
        update(LeaderLease)
        .where(col(LeaderLease.name) == name, col(LeaderLease.holder) == holder)
        .values(expires_at=moment(tx) - dt.timedelta(seconds=1))
    )
