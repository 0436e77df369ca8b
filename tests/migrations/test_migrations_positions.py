"""Positions become months without losing a fix, there and back and there again."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.cli import schema

BEFORE, AFTER = "202611201410", "202611201422"
DEVICE = "01900000-0000-7000-8000-000000000001"
FIXES = """
INSERT INTO position (device_id, at, lat, lon, accuracy_m, mock)
SELECT d, at, 1, 2, 3, false FROM unnest(ARRAY[
  timestamptz '2001-01-01', '2026-01-31 23:59:59.999+00', '2026-02-01+00', now(),
  now() + interval '40 days', '2199-12-31']) AS at, CAST(:device AS uuid) AS d
"""
# Rows of tables that the log guards: their triggers are not what is shown here.
GROUND = """
SET LOCAL session_replication_role = replica;
INSERT INTO driver (id, version, depot_id, name, skills, entry)
VALUES ('01900000-0000-7000-8000-000000000002', 1, gen_random_uuid(), 'Ada', '[]', '');
INSERT INTO device (id, version, driver_id, platform, model, app_version, enrolled_at, entry)
SELECT '01900000-0000-7000-8000-000000000001', 1, id, 'a', 'b', 'c', now(), '' FROM driver
"""
ONE_MORE = """
INSERT INTO position (device_id, at, lat, lon, accuracy_m, mock)
VALUES (:device, '2020-02-02', 1, 2, 3, false)
"""
ALL = "SELECT string_agg(position::text, '|' ORDER BY device_id, at) FROM position"
PARTS = """
SELECT string_agg(tableoid::regclass || ' ' || number, ', ' ORDER BY tableoid::regclass::text)
FROM (SELECT tableoid, count(*) AS number FROM position GROUP BY tableoid) AS parts
"""


def run(url: str, *statements: str, **values: object) -> str:
    """Run statements in one transaction and return the last one's value."""

    async def work() -> str:
        engine, found = create_async_engine(url), None
        async with engine.begin() as connection:
            for statement in statements:
                result = await connection.execute(text(statement), values)
                found = result.scalar() if result.returns_rows else None
        await engine.dispose()
        return str(found)

    return asyncio.run(work())


@pytest.fixture
def old_url(empty_pg_url: str) -> str:
    """A database of the release before, with fixes of the past, of today and of the future."""
    schema.upgrade(empty_pg_url, BEFORE)
    run(empty_pg_url, *GROUND.strip().split(";\n"))
    run(empty_pg_url, FIXES, device=DEVICE)
    return empty_pg_url


def test_no_fix_is_lost_up_down_and_up(old_url: str) -> None:
    """Each way every fix is there, in its partition; the newest that can be true is at hand."""
    fixes = run(old_url, ALL)
    for _ in range(2):
        schema.upgrade(old_url, AFTER)
        assert run(old_url, ALL) == fixes
        assert run(old_url, PARTS) == "position_before 4, position_default 2"
        newest = datetime.fromisoformat(run(old_url, "SELECT at FROM last_fix"))
        assert (datetime.now(UTC) - newest).total_seconds() < 3600
        schema.downgrade(old_url, BEFORE)
        assert run(old_url, ALL) == fixes
        assert run(old_url, "SELECT to_regclass('position_default')") == "None"


def test_whoever_stops_in_the_middle_can_go_back(old_url: str) -> None:
    """Between the steps fixes are still taken, and the way back brings all of them together."""
    schema.upgrade(old_url, "202611201421")
    run(old_url, "UPDATE position SET at = at + interval '1 hour' WHERE at < '2002-01-01'")
    schema.downgrade(old_url, BEFORE)
    assert run(old_url, "SELECT count(*) FROM position") == "6"
    schema.upgrade(old_url, AFTER)
    assert run(old_url, "SELECT min(at) FROM position").startswith("2001-01-01 01:00")


def test_a_writer_is_not_waited_for_while_rows_are_checked(old_url: str) -> None:
    """The step that reads the whole table passes beside a fix that is being written."""
    schema.upgrade(old_url, "202611201420")

    async def beside() -> None:
        engine = create_async_engine(old_url)
        async with engine.begin() as connection:
            await connection.execute(text(ONE_MORE), {"device": DEVICE})
            await asyncio.to_thread(schema.upgrade, old_url, "202611201421")
        await engine.dispose()

    asyncio.run(beside())
    assert run(old_url, "SELECT count(*) FROM position") == "5"
