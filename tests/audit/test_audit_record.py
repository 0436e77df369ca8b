"""The one writer, its guard, and the database's own refusal of silent changes."""

import json
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import col

from backend.audit.guard import SilentChange, stand_guard
from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.ids import new_id
from backend.store.database import Database
from backend.tables.audit import AuditEntry, AuditOpening, AuditPending
from backend.tables.fleet import Depot, Driver
from tests.fixtures.words import unlike

pytestmark = pytest.mark.anyio


async def a_depot(db: Database) -> UUID:
    """Record a depot and return its id."""
    depot_id = new_id()
    values = {
        "code": f"d{unlike()}",
        "name": "Harbour",
        "lat": 39.29,
        "lon": -76.61,
        "timezone": "America/New_York",
    }
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("depot.added", Depot, depot_id, values, create=True))
    return depot_id


async def entries_of(db: Database, entity_id: UUID) -> list[AuditEntry]:
    """Return an entity's entries in order."""
    async with db.snapshot() as tx:
        query = select(AuditEntry).where(col(AuditEntry.entity_id) == str(entity_id))
        return list(await tx.scalars(query.order_by(col(AuditEntry.n))))


async def test_a_change_writes_row_entry_and_pending_together(db: Database) -> None:
    """A row, its entry and the sequencer's work item appear in one transaction."""
    depot_id = await a_depot(db)
    async with db.begin() as tx:
        event = Event("depot.renamed", Depot, depot_id, {"name": "Docks"})
        row = await record(tx, SYSTEM, event)
        assert row.version == 2
    first, second = await entries_of(db, depot_id)
    leaf = json.loads(second.leaf)
    assert leaf["change"] == {"name": ["Harbour", "Docks"]}
    assert leaf["prev"] == first.leaf_hash.hex()
    async with db.snapshot() as tx:
        pending = set(await tx.scalars(select(col(AuditPending.entry_id))))
    assert {first.id, second.id} <= pending


async def test_personal_columns_appear_only_as_commitments(db: Database) -> None:
    """A driver's name is in the openings, not in the sealed bytes."""
    driver_id, depot_id = new_id(), await a_depot(db)
    values = {"depot_id": depot_id, "name": "Grace Hopper", "phone": None, "skills": []}
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("driver.added", Driver, driver_id, values, create=True))
    (entry,) = await entries_of(db, driver_id)
    assert b"Hopper" not in entry.leaf
    assert json.loads(entry.leaf)["pii"]["name"].startswith("c1:")
    async with db.snapshot() as tx:
        opening = await tx.get(AuditOpening, entry.id)
    assert opening is not None
    assert opening.openings["name"][1] == "Grace Hopper"


async def test_the_guard_refuses_a_silent_change(db: Database) -> None:
    """An audited row set by hand does not reach the database."""
    stand_guard()
    depot_id = await a_depot(db)
    with pytest.raises(SilentChange):
        async with db.begin() as tx:
            depot = await tx.get_one(Depot, depot_id)
            depot.name = "Elsewhere"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE depot SET name = 'x'",
        "DELETE FROM depot",
        "UPDATE depot SET version = version + 1, entry = decode('00', 'hex')",
        "DELETE FROM audit_entry",
        "UPDATE audit_entry SET action = 'depot.forged'",
        "TRUNCATE audit_entry CASCADE",
    ],
)
async def test_raw_sql_cannot_change_what_is_recorded(db: Database, statement: str) -> None:
    """The database refuses, whoever writes the SQL."""
    await a_depot(db)
    with pytest.raises(DBAPIError):
        async with db.begin() as tx:
            await tx.execute(text(statement))
            await tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


async def test_two_stale_writers_cannot_both_win(db: Database) -> None:
    """Two transactions that read the same version write one entry with that number, not two."""
    depot_id = await a_depot(db)
    with pytest.raises(IntegrityError):
        async with db.begin() as other:
            stale = await other.get_one(Depot, depot_id)
            assert stale.version == 1
            async with db.begin() as one:
                await record(one, SYSTEM, Event("depot.renamed", Depot, depot_id, {"name": "A"}))
            await record(other, SYSTEM, Event("depot.renamed", Depot, depot_id, {"name": "B"}))
    assert [entry.n for entry in await entries_of(db, depot_id)] == [1, 2]
