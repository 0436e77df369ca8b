"""The sequencer on a real PostgreSQL: order, rivals, tampering, and what the log then proves."""

import asyncio
import json
import logging
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from backend.audit import verify as v
from backend.audit.checkpoint import signer
from backend.audit.export import Asked, SinceUnknown, export
from backend.audit.merkle import root_of
from backend.audit.record import Event, record
from backend.audit.seal import TreeMovedError, in_chain_order, seal, seal_batch, sign
from backend.blobs import FolderBlobs
from backend.domain.people import SYSTEM
from backend.ids import new_id
from backend.store import log
from backend.store.database import Database
from backend.tables.audit import AuditLeaf
from backend.tables.fleet import Depot, Driver
from tests.audit.bundles import check
from tests.fixtures.clock import FakeClock

pytestmark = pytest.mark.anyio

SIGNER = signer("doorstep/test", b"\5" * 32)
KEY = SIGNER.key.text.encode()


async def depots(db: Database, count: int, changes: int = 0) -> list[UUID]:
    """Record depots, one transaction each, and rename each some times."""
    ids = []
    for _ in range(count):
        depot_id = new_id()
        values = {
            "code": depot_id.hex,
            "name": "Harbour",
            "lat": 39.29,
            "lon": -76.61,
            "timezone": "America/New_York",
        }
        async with db.begin() as tx:
            await record(tx, SYSTEM, Event("depot.added", Depot, depot_id, values, create=True))
        for number in range(changes):
            async with db.begin() as tx:
                change = {"name": f"Harbour {number}"}
                await record(tx, SYSTEM, Event("depot.renamed", Depot, depot_id, change))
        ids.append(depot_id)
    return ids


async def leaves(db: Database) -> list[bytes]:
    """Return all leaf hashes in leaf order."""
    async with db.snapshot() as tx:
        return [leaf async for batch in log.leaf_hashes(tx, 0, 10_000) for leaf in batch]


async def bundle(
    db: Database, clock: FakeClock, blobs: FolderBlobs, since: int | None = None
) -> bytes:
    """Export the whole log."""
    file = BytesIO()
    asked = Asked(
        clock.now() - timedelta(days=9), clock.now() + timedelta(days=9), since, evidence=True
    )
    await export(db, SIGNER, blobs, asked, file)
    return file.getvalue()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """An empty store of evidence."""
    return FolderBlobs(tmp_path / "blobs")


async def test_pending_entries_become_leaves(fresh_db: Database) -> None:
    """All that is pending is sealed in the order it was written, and the root is signed."""
    await depots(fresh_db, 5, changes=2)
    sealed = await seal(fresh_db, SIGNER)
    assert (sealed.entries, sealed.aside, sealed.size) == (15, 0, 15)
    hashes = await leaves(fresh_db)
    assert v.read_checkpoint(sealed.note.encode(), SIGNER.key).root == root_of(hashes)
    again = await seal(fresh_db, SIGNER)
    assert (again.entries, again.note) == (0, sealed.note)
    async with fresh_db.snapshot() as tx:
        assert await log.pending(tx) == (0, 0)


async def test_an_empty_log_is_signed_too(fresh_db: Database) -> None:
    """A log without entries has a checkpoint, and one without anything pending seals nothing."""
    sealed = await seal(fresh_db, SIGNER)
    assert sealed.size == 0
    assert v.read_checkpoint(sealed.note.encode(), SIGNER.key).root == v.EMPTY_ROOT


async def test_batches_that_cut_a_chain(fresh_db: Database) -> None:
    """However batches fall, an entity's entries are sealed in the order of its versions."""
    await depots(fresh_db, 3, changes=4)
    for _ in range(8):
        async with fresh_db.begin() as tx:
            await seal_batch(tx, SIGNER.key.name, limit=2)
    async with fresh_db.snapshot() as tx:
        lines = [line async for batch in log.sealed_lines(tx, 0, 100) for line in batch]
    seen: dict[str, int] = {}
    for entry in map(json.loads, lines):
        assert entry["n"] == seen.get(entry["entity_id"], 0) + 1
        seen[entry["entity_id"]] = entry["n"]
    assert list(seen.values()) == [5, 5, 5]


async def test_a_successor_with_a_smaller_id_waits_for_its_predecessor(fresh_db: Database) -> None:
    """Two servers' clocks may disagree about ids; the chain decides, also across a batch's end."""
    (depot_id,) = await depots(fresh_db, 1)
    async with fresh_db.begin() as tx:
        rows = (await tx.execute(text("SELECT id, leaf_hash FROM audit_entry"))).one()
        await tx.execute(text("DELETE FROM audit_pending"))
        for number, entry_id in ((2, UUID(int=9)), (3, UUID(int=8)), (4, UUID(int=7))):
            await tx.execute(
                text(
                    "INSERT INTO audit_entry (id, leaf, leaf_hash, entity, entity_id, n, action,"
                    " actor_type, actor_id, at) VALUES (:id, :leaf, :hash, 'depot', :depot, :n,"
                    " 'depot.renamed', 'system', 'x', now())"
                ),
                {
                    "id": entry_id,
                    "leaf": b"%d" % number,
                    "hash": v.leaf_hash(b"%d" % number),
                    "depot": str(depot_id),
                    "n": number,
                },
            )
            await tx.execute(
                text("INSERT INTO audit_pending VALUES (:id, false)"), {"id": entry_id}
            )
        await tx.execute(text("INSERT INTO audit_pending VALUES (:id, false)"), {"id": rows.id})
    async with fresh_db.begin() as tx:
        assert await seal_batch(tx, SIGNER.key.name, limit=1) == (4, 0)
    expected = [rows.leaf_hash, *(v.leaf_hash(b"%d" % number) for number in (2, 3, 4))]
    assert await leaves(fresh_db) == expected


def test_chain_order_disturbs_nothing_else() -> None:
    """Entries of other entities keep their places by id."""
    made = [
        log.Waiting(UUID(int=place), b"", b"", "stop", entity, n)
        for place, (entity, n) in enumerate([("a", 2), ("b", 1), ("a", 1), ("b", 2)])
    ]
    order = [(item.entity_id, item.n) for item in in_chain_order(made)]
    assert order == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


async def test_many_sealers_at_once(fresh_db: Database) -> None:
    """Eight sealers beside a writer: every entry has one place, and every checkpoint fits."""
    await depots(fresh_db, 10, changes=2)

    async def sealer() -> None:
        for _ in range(4):
            async with fresh_db.begin() as tx:
                await seal_batch(tx, SIGNER.key.name, limit=3)
            await sign(fresh_db, SIGNER)

    await asyncio.gather(*(sealer() for _ in range(8)), depots(fresh_db, 5, changes=1))
    sealed = await seal(fresh_db, SIGNER)
    assert sealed.size == 40
    hashes = await leaves(fresh_db)
    async with fresh_db.snapshot() as tx:
        notes = (await tx.scalars(text("SELECT note FROM audit_checkpoint"))).all()
    for note in notes:
        point = v.read_checkpoint(note.encode(), SIGNER.key)
        assert point.root == root_of(hashes[: point.size])


async def test_a_sealer_that_lost_its_lock_cannot_win(fresh_db: Database) -> None:
    """If the tree moved under a sealer, the compare-and-set refuses its batch as a whole."""
    await depots(fresh_db, 2)
    async with fresh_db.begin() as tx:
        await tx.execute(
            text(
                "CREATE FUNCTION rival() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN UPDATE audit_tree SET size = size + 1; RETURN NULL; END'"
            )
        )
        await tx.execute(
            text("CREATE TRIGGER rival AFTER INSERT ON audit_leaf EXECUTE FUNCTION rival()")
        )
    with pytest.raises(TreeMovedError):
        async with fresh_db.begin() as tx:
            await seal_batch(tx, SIGNER.key.name)
    async with fresh_db.begin() as tx:
        await tx.execute(text("DROP TRIGGER rival ON audit_leaf"))
    assert await leaves(fresh_db) == []
    assert (await seal(fresh_db, SIGNER)).entries == 2


async def test_changed_bytes_are_set_aside_loudly(
    fresh_db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """An entry altered before sealing never enters the tree; the others do; it is logged."""
    depot_id, *_ = await depots(fresh_db, 4)
    async with fresh_db.begin() as tx:
        await tx.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER keeps_rows"))
        await tx.execute(
            text("UPDATE audit_entry SET leaf = leaf || ' ' WHERE entity_id = :id"),
            {"id": str(depot_id)},
        )
        await tx.execute(text("ALTER TABLE audit_entry ENABLE TRIGGER keeps_rows"))
    with caplog.at_level(logging.CRITICAL):
        sealed = await seal(fresh_db, SIGNER)
    assert (sealed.entries, sealed.aside) == (3, 1)
    assert str(depot_id) in caplog.text
    assert (await seal(fresh_db, SIGNER)).aside == 0
    async with fresh_db.snapshot() as tx:
        assert await log.pending(tx) == (0, 1)


@pytest.mark.parametrize("statement", ["DELETE FROM audit_leaf", "TRUNCATE audit_checkpoint"])
async def test_the_sealed_log_takes_no_edits(fresh_db: Database, statement: str) -> None:
    """The database refuses to change leaves and checkpoints, whoever writes the SQL."""
    await depots(fresh_db, 1)
    await seal(fresh_db, SIGNER)
    with pytest.raises(DBAPIError):
        async with fresh_db.begin() as tx:
            await tx.execute(text(statement))


async def test_an_export_verifies(
    fresh_db: Database, clock: FakeClock, blobs: FolderBlobs, tmp_path: Path
) -> None:
    """A bundle of the whole log fits, continues an older checkpoint, and is stale for a newer."""
    await depots(fresh_db, 3)
    older = await seal(fresh_db, SIGNER)
    driver_id, (depot_id,) = new_id(), await depots(fresh_db, 1)
    values = {"depot_id": depot_id, "name": "Grace Hopper", "phone": None, "skills": []}
    async with fresh_db.begin() as tx:
        await record(tx, SYSTEM, Event("driver.added", Driver, driver_id, values, create=True))
    data = await bundle(fresh_db, clock, blobs, since=older.size)
    report = check(tmp_path, data, KEY, older.note.encode())
    assert (report.code, report.entries) == (v.OK, 5), report.text
    assert b"Grace Hopper" in data
    await depots(fresh_db, 1)
    newer = await seal(fresh_db, SIGNER)
    assert check(tmp_path, data, KEY, newer.note.encode()).code == v.STALE
    with pytest.raises(SinceUnknown):
        await bundle(fresh_db, clock, blobs, since=99)


async def test_the_range_is_the_smallest_run(
    fresh_db: Database, clock: FakeClock, blobs: FolderBlobs, tmp_path: Path
) -> None:
    """A period holds from ≤ at < to; the bundle has its first to its last leaf."""
    start = clock.now()
    for _ in range(4):
        await depots(fresh_db, 2)
        clock.advance(hours=1)
    for first, last, span in ((1, 3, (2, 4)), (0, 1, (0, 2)), (3, 3, (0, 0)), (7, 9, (0, 0))):
        file = BytesIO()
        hours = (start + timedelta(hours=first), start + timedelta(hours=last))
        made = await export(fresh_db, SIGNER, blobs, Asked(*hours), file)
        assert (made.first, made.count, made.tree_size) == (*span, 8)
        assert check(tmp_path, file.getvalue(), KEY).code == v.OK


async def test_erased_openings_leave_a_bundle_that_verifies(
    fresh_db: Database, clock: FakeClock, blobs: FolderBlobs, tmp_path: Path
) -> None:
    """After erasure the same leaves verify, and the value is nowhere in the bundle."""
    driver_id, (depot_id,) = new_id(), await depots(fresh_db, 1)
    values = {"depot_id": depot_id, "name": "Grace Hopper", "phone": None, "skills": []}
    async with fresh_db.begin() as tx:
        await record(tx, SYSTEM, Event("driver.added", Driver, driver_id, values, create=True))
    before = await bundle(fresh_db, clock, blobs)
    async with fresh_db.begin() as tx:
        assert await log.erase_openings(tx, [("driver", driver_id)]) == 1
    after = await bundle(fresh_db, clock, blobs)
    assert check(tmp_path, before, KEY).code == check(tmp_path, after, KEY).code == v.OK
    assert b"Hopper" in before
    assert b"Hopper" not in after


async def test_an_edit_of_a_sealed_entry_shows(
    fresh_db: Database, clock: FakeClock, blobs: FolderBlobs, tmp_path: Path
) -> None:
    """Whoever disables the triggers and edits a sealed entry is betrayed by the next bundle."""
    await depots(fresh_db, 2)
    await seal(fresh_db, SIGNER)
    async with fresh_db.begin() as tx:
        await tx.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER keeps_rows"))
        await tx.execute(
            text(
                "UPDATE audit_entry SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'),"
                " 'Harbour', 'Harbous'), 'UTF8')"
            )
        )
        await tx.execute(text("ALTER TABLE audit_entry ENABLE TRIGGER keeps_rows"))
    report = check(tmp_path, await bundle(fresh_db, clock, blobs), KEY)
    assert (report.code, report.place) == (v.UNFIT, "entries.jsonl")


async def test_every_entry_is_pending_or_a_leaf(fresh_db: Database) -> None:
    """No entry falls between the two lists."""
    await depots(fresh_db, 3)
    async with fresh_db.begin() as tx:
        await seal_batch(tx, SIGNER.key.name, limit=2)
    async with fresh_db.snapshot() as tx:
        sealed = len((await tx.scalars(select(col(AuditLeaf.index)))).all())
        assert (sealed, (await log.pending(tx))[0]) == (2, 1)
