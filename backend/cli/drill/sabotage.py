"""Faults that a server must not have, made on purpose: a drill that cannot fail proves nothing.

The database of the drill's own installation is changed behind the server's back, past the guards
that stop the server itself.
"""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from backend.settings import Settings


class Sabotage(StrEnum):
    """What a broken server could have done."""

    FORGET = "forget"  # an acknowledged mutation is gone
    DOUBLE = "double"  # an event had its effect twice
    DIVERGE = "diverge"  # a stop changed and its phone was never told


class NothingToSpoil(RuntimeError):
    """The day was so quiet that a broken server could not be told from a good one."""


# The last driver's act that was applied at a stop, of those that a phone can still speak of.
_VICTIM = text(
    "SELECT id FROM stop_event WHERE source = 'driver' AND outcome = 'applied'"
    " AND mutation_id = ANY(:promised) ORDER BY known DESC, id DESC LIMIT 1"
)
_FORGET = """
    DELETE FROM mutation WHERE id = (SELECT mutation_id FROM stop_event WHERE id = :victim)
"""
_DOUBLE = """
    INSERT INTO stop_event
    SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid()))).*
    FROM stop_event e WHERE e.id = :victim
"""
_DIVERGE = """
    UPDATE stop SET service_s = service_s + 1
    WHERE id = (SELECT stop_id FROM stop_event WHERE id = :victim)
"""
_DEEDS = {Sabotage.FORGET: _FORGET, Sabotage.DOUBLE: _DOUBLE, Sabotage.DIVERGE: _DIVERGE}


async def spoil(settings: Settings, sabotage: Sabotage, promised: Sequence[str]) -> None:
    """Do it, with the triggers looking away, to one of the acts that were promised to phones.

    Raises:
        NothingToSpoil: none of them was applied at a stop.
    """
    assert settings.database_url is not None
    engine = create_async_engine(settings.database_url)
    try:
        async with engine.begin() as db:
            await _spoil(db, sabotage, [UUID(mutation_id) for mutation_id in promised])
    finally:
        await engine.dispose()


async def _spoil(db: AsyncConnection, sabotage: Sabotage, promised: Sequence[UUID]) -> None:
    victim = await db.scalar(_VICTIM, {"promised": promised})
    if victim is None:
        raise NothingToSpoil("no driver's act was applied at a stop, so nothing can be spoilt")
    await db.execute(text("SET LOCAL session_replication_role = replica"))
    done = await db.execute(text(_DEEDS[sabotage]), {"victim": victim})
    assert done.rowcount == 1, sabotage
