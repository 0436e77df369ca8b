"""What arrivals, notes and scans named before is found on the timeline."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend.cli import schema

BEFORE, COUNTED = "202611201432", "202611201440"
# An arrival of which only the timeline knows that it names a file, twice; and one that names none.
ARRIVED = """
WITH crew AS (SELECT gen_random_uuid() AS driver, gen_random_uuid() AS device,
                     gen_random_uuid() AS stop, gen_random_uuid() AS goods),
person AS (INSERT INTO driver (id, depot_id, name, skills, version)
           SELECT driver, driver, '', '[]', 1 FROM crew),
phone AS (INSERT INTO device (id, driver_id, platform, model, app_version, enrolled_at, version)
          SELECT device, driver, '', '', '', now(), 1 FROM crew),
visit AS (INSERT INTO stop (id, consignment_id, route_id, sequence, state, proof, attempt, segment,
            policy_version, priority, eta, window_start, window_end, service_s, pinned, door_issue,
            version)
          SELECT stop, goods, goods, 1, 'arrived', 'none', 1, 'standard', 1, 1, now(), now(),
                 'infinity', 1, false, 0, 1 FROM crew),
brought AS (INSERT INTO consignment (id, depot_id, reference, state, segment, segment_reason,
              service_date, recipient_name, phone_takes_sms, address_lines, city, country,
              content_hash, tracking_hash, attempts, created_at, version)
            SELECT goods, goods, goods::text, 'released', 'standard', '', now(), '', false, '[]',
                   '', 'US', :hash, goods::text::bytea, 0, now(), 1 FROM crew)
INSERT INTO stop_event (id, stop_id, version, kind, source, actor_id, device_id, mutation_id,
                        outcome, happened, known, body, findings, evidence)
SELECT gen_random_uuid(), stop, 1, 'stop.arrived', 'driver', driver, device, gen_random_uuid(),
       'applied', now(), now(), '{}', '[]', named::jsonb
  FROM crew, (VALUES ('[]'), (:named)) AS said(named)
"""
FILE = '{"sha256": "ab", "kind": "photo", "size": 7, "media_type": "image/png"}'
FOUND = "SELECT sha256, kind, size, media_type, counts, wanted FROM evidence_ref ORDER BY wanted"


def test_what_was_named_and_forgotten_is_found(empty_pg_url: str) -> None:
    """It is asked for, unless its goods were erased; going back and up again changes nothing."""
    schema.upgrade(empty_pg_url, BEFORE)

    async def work() -> list[tuple[object, ...]]:
        engine = create_async_engine(empty_pg_url)
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            for kept in (b"kept", b""):
                said = {"hash": kept, "named": f"[{FILE}, {FILE}]"}
                await connection.execute(text(ARRIVED), said)
        await asyncio.to_thread(schema.upgrade, empty_pg_url)
        await asyncio.to_thread(schema.downgrade, empty_pg_url, COUNTED)
        await asyncio.to_thread(schema.upgrade, empty_pg_url)
        async with engine.connect() as connection:
            found = [tuple(row) for row in await connection.execute(text(FOUND))]
        await engine.dispose()
        return found

    name = ("ab", "photo", 7, "image/png", True)
    assert asyncio.run(work()) == [(*name, False), (*name, True)]


def test_going_back_leaves_no_name_that_does_not_count(empty_pg_url: str) -> None:
    """The release before would take each of them for proof."""
    schema.upgrade(empty_pg_url)

    async def work() -> object:
        engine = create_async_engine(empty_pg_url)
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            for counts in (True, False):
                await connection.execute(text(NAMED), {"counts": counts})
        await asyncio.to_thread(schema.downgrade, empty_pg_url, BEFORE)
        async with engine.connect() as connection:
            left = await connection.scalar(text("SELECT count(*) FROM evidence_ref"))
        await engine.dispose()
        return left

    assert asyncio.run(work()) == 1


NAMED = """
INSERT INTO evidence_ref
  (mutation_id, sha256, stop_id, driver_id, kind, size, media_type, wanted, counts)
VALUES (gen_random_uuid(), 'ab', gen_random_uuid(), gen_random_uuid(), 'photo', 1, '', false,
        :counts)
"""
