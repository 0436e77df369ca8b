"""The installation's own row: which life of the database this is."""

from uuid import UUID

from sqlalchemy import update

from backend.ids import new_id
from backend.store.database import Tx
from backend.tables.installation import Installation


async def begin_new_life(tx: Tx) -> UUID:
    """Give the database a new epoch, which every phone notices at its next sync."""
    epoch = new_id()
    await tx.execute(update(Installation).values(epoch=epoch))
    return epoch
