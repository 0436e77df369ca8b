"""A database made ready: brought up to date, with the segments and rules that come with Doorstep.

Seeding is an entry in the log like any other change, and happens once: what the console changed
since is never overwritten.
"""

import asyncio


def is_ready(url: str) -> bool:
    """Tell whether ``make_ready`` has nothing to do; a start may have been killed half-way."""
    from backend.cli import schema

    return schema.is_current(url) and asyncio.run(_seeded(url))


async def _seeded(url: str) -> bool:
    import asyncpg  # and not SQLAlchemy, whose import takes longer than all the rest

    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=10)
    try:
        return await connection.fetchval("SELECT EXISTS (SELECT FROM segment_rules)") is True
    finally:
        await connection.close()


def make_ready(url: str) -> None:
    """Migrate and seed; several at once wait for one another, and again is harmless."""
    from backend.cli import schema

    schema.upgrade(url)
    asyncio.run(_seed(url))


async def _seed(url: str) -> None:
    from backend.audit.guard import stand_guard
    from backend.dispatch import segments
    from backend.intake.seed import first_rules, seed_rules
    from backend.store.database import Database
    from backend.store.intake import one_import_at_a_time

    stand_guard()
    db = Database(url, pool_size=2)
    try:
        async with db.begin() as tx:
            await one_import_at_a_time(tx)
            await segments.seed(tx, segments.first_versions())
            await seed_rules(tx, first_rules())
    finally:
        await db.close()
