"""The judge of all faults is judged: what was lost, doubled or bent on purpose, it names."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from backend.app import create_app
from backend.blobs.address import key_of
from backend.clock import SystemClock
from backend.settings import Settings
from backend.store.database import Database
from handset import Handset
from tests.faults.proof import prove
from tests.faults.work import Driver
from tests.faults.worlds import a_world
from tests.fixtures.phones import settings_for

pytestmark = pytest.mark.anyio

AGAIN = text(
    "INSERT INTO stop_event SELECT (e).* FROM (SELECT jsonb_populate_record(s, "
    "jsonb_build_object('id', gen_random_uuid())) AS e FROM stop_event s "
    "WHERE s.mutation_id = CAST(:id AS uuid)) AS x"
)


@pytest.fixture
def settings(fresh_pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(fresh_pg_url, tmp_path)


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    """Its database, by the real clock."""
    db = Database(str(settings.database_url), clock=SystemClock())
    yield db
    await db.close()


@pytest.fixture
async def phone(settings: Settings, db: Database, tmp_path: Path) -> AsyncIterator[Handset]:
    """A phone that visited a stop and told everything."""
    world = await a_world(settings, db, drivers=1, stops=2, people=0)
    app = create_app(settings)
    road = httpx.ASGITransport(app)  # type: ignore[arg-type]  # litestar's words for the same
    async with app.lifespan(), Handset(tmp_path / "phone", "http://in", transport=road) as phone:
        await phone.enrol(world.codes[0])
        await phone.sync()
        driver = Driver(phone, random.Random(1), most_bytes=500)
        driver.act()
        await driver.settle()
        yield phone


async def test_a_sound_server_is_found_sound(
    settings: Settings, db: Database, phone: Handset
) -> None:
    """Nothing is named where nothing is wrong."""
    proof = await prove(db, settings, [phone])
    assert proof.faults == []
    assert (proof.acts, proof.acked, proof.photos) == (3, 3, 1)


async def test_what_was_acknowledged_and_is_gone_is_lost(
    settings: Settings, db: Database, phone: Handset
) -> None:
    """An act that only the phone knows as acknowledged, and a file that left the store."""
    done = phone.journal.all()[-1]
    assert done.receipt is not None
    act = phone.note(str(done.stop_id), "never arrived")
    phone.journal.settle(act, done.receipt, act.n, "2026-11-20T09:00:00.000Z")
    sha256 = phone._disk.db.execute("SELECT sha256 FROM evidence").fetchone()[0]
    (settings.data / "blobs" / key_of(sha256)).unlink()
    proof = await prove(db, settings, [phone])
    assert [fault.split()[0] for fault in proof.lost] == [str(act.n), "file"]


async def test_what_is_there_twice_is_doubled(
    settings: Settings, db: Database, phone: Handset
) -> None:
    """A second event of the same act, which also bends the stop's versions."""
    act = phone.journal.all()[-1]
    async with db.begin() as tx:
        await tx.execute(AGAIN, {"id": act.id})
    proof = await prove(db, settings, [phone])
    assert len(proof.doubled) == len(proof.broken) == 1
