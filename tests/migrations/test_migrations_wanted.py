"""What is wanted is marked in a table that others read and write meanwhile."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.cli import schema

BEFORE, COLUMNS, MARKED = "202611201422", "202611201430", "202611201431"
# A name whose bytes never came; the rows it refers to are not what is shown here.
NAMED = """
INSERT INTO evidence_ref (mutation_id, sha256, stop_id, driver_id, kind, size, media_type)
VALUES (gen_random_uuid(), 'ab', gen_random_uuid(), gen_random_uuid(), 'photo', 1, 'image/png')
"""


def test_a_writer_is_not_waited_for_while_names_are_marked(empty_pg_url: str) -> None:
    """The step that reads every name passes beside a name that is being written, and marks."""
    schema.upgrade(empty_pg_url, BEFORE)

    async def beside() -> object:
        engine = create_async_engine(empty_pg_url)
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(NAMED))
        await asyncio.to_thread(schema.upgrade, empty_pg_url, COLUMNS)
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(NAMED))
            await asyncio.to_thread(schema.upgrade, empty_pg_url, MARKED)
        await asyncio.to_thread(schema.upgrade, empty_pg_url)
        async with engine.connect() as connection:
            found = await connection.scalar(text("SELECT count(*) FROM evidence_ref WHERE wanted"))
        await engine.dispose()
        return found

    assert asyncio.run(beside()) == 1
