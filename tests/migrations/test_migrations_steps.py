"""The migrations lead from nothing to what the code says, and back."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.cli import schema

RELATIONS = """
SELECT coalesce(string_agg(kind || ' ' || name, ', ' ORDER BY kind, name), '') FROM (
  SELECT 'relation' AS kind, relname AS name FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
  UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'type', typname FROM pg_type
   WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%alembic_version'
) AS everything
"""


def ask(url: str, query: str) -> str:
    """The one value that a query gives."""

    async def work() -> str:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            found = await connection.scalar(text(query))
        await engine.dispose()
        return str(found)

    return asyncio.run(work())


def test_up_down_up(empty_pg_url: str) -> None:
    """Down to the base leaves nothing behind, and up again gives the same tables as before."""
    schema.upgrade(empty_pg_url)
    whole = ask(empty_pg_url, RELATIONS)
    schema.downgrade(empty_pg_url, "base")
    assert ask(empty_pg_url, RELATIONS) == ""
    schema.upgrade(empty_pg_url)
    assert ask(empty_pg_url, RELATIONS) == whole


def test_code_and_migrations_agree(pg_url: str) -> None:
    """The tables in the code are those that the migrations made; `check` raises otherwise."""
    schema.check(pg_url)


def test_there_is_one_head(pg_url: str) -> None:
    """The migrations form one line, and the text search for its end finds what Alembic finds."""
    from alembic.script import ScriptDirectory

    heads = ScriptDirectory(str(schema.SCRIPTS)).get_heads()
    assert heads == [schema.newest()]
    assert schema.is_current(pg_url)


def test_two_at_once_wait_for_each_other(empty_pg_url: str) -> None:
    """Two processes that migrate the same empty database both succeed."""
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(_upgrade, empty_pg_url) for _ in range(2)]:
            done.result()
    assert schema.is_current(empty_pg_url)


def _upgrade(url: str) -> None:
    from tests.fixtures.processes import doorstep

    done = doorstep("migrate", environ={"DOORSTEP_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr
