"""The server is lost and restored from its backup: a day's phones go on as they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col

from backend.app import create_app
from backend.store.database import Database
from backend.store.installation import begin_new_life
from backend.tables.mutations import Mutation
from backend.tables.stops import StopEvent
from handset import Handset, SignInLost
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import settings_for
from tests.fixtures.visits import a_round
from tests.handset.clocks import PhoneClock
from tests.handset.conftest import Bench, Line

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _serving(
    url: str, folder: Path, clock: FakeClock, line: Line | None
) -> AsyncIterator[Bench]:
    """The installation over one database, on a line that outlives it."""
    settings = settings_for(url, folder / "server")
    app, db = create_app(settings, clock=clock), Database(url, clock=clock)
    reached = Line(app)
    if line is not None:
        line._through = reached._through
    async with app.lifespan():
        yield Bench(db, settings, clock, line or reached, folder)
    await db.close()


async def _copy(server: str, url: str) -> str:
    """A backup: the database as it is now, under another name."""
    name = f"t_{uuid4().hex}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        source = make_url(url).database
        await connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{source}"'))
    await engine.dispose()
    return make_url(url).set(database=name).render_as_string(False)


async def _taken(db: Database, phone: Handset) -> set[str]:
    async with db.snapshot() as tx:
        query = select(col(Mutation.id)).where(
            col(Mutation.driver_id) == UUID(phone.session.driver_id)
        )
        return {str(id_) for id_ in await tx.scalars(query)}


async def test_nothing_acknowledged_is_missing_after_a_restore(
    pg_server: str, fresh_pg_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """Phones sign in with the tokens they have, say everything again, and read a fresh manifest.

    A phone that was enrolled after the backup is unknown; it needs a code and loses nothing either.
    """
    clock.set(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    async with _serving(fresh_pg_url, tmp_path, clock, None) as bench:
        line = bench.line
        made = await a_round(bench.db, "economy", "premium")
        stops = {name: str(id_) for name, id_ in made.stops.items()}
        phone = bench.phone(clock=PhoneClock(clock))
        await phone.enrol(await bench.code(made.driver))
        await phone.sync()
        acts = [phone.arrive(stops["economy"])]
        await phone.sync()
    backup = await _copy(pg_server, fresh_pg_url)

    async with _serving(fresh_pg_url, tmp_path, clock, line) as bench:
        acts.append(phone.deliver(stops["economy"], recipient=("Ada", "self")))
        for words in ("one", "two", "three"):
            clock.advance(minutes=20)  # so that every call renews the tokens first
            acts.append(phone.note(stops["premium"], words))
            await phone.sync()
        late = bench.phone("late", clock=PhoneClock(clock))
        await late.enrol(await bench.code(made.driver))
        acts.append(late.note(stops["premium"], "by a phone the backup does not know"))
        await late.sync()
        assert await _taken(bench.db, phone) == {act.id for act in acts}
    acts.append(phone.note(stops["premium"], "while nobody served"))

    async with _serving(backup, tmp_path, clock, line) as bench:
        async with bench.db.begin() as tx:
            await begin_new_life(tx)
        assert await _taken(bench.db, phone) == {acts[0].id}
        clock.advance(minutes=20)
        assert await phone.lanes.have([act.id for act in acts]) == {acts[0].id}
        report = await phone.sync()
        assert (report.settled, report.resets, phone.pending) == (True, 1, 0)
        seen = phone.stop(stops["economy"])
        assert seen is not None
        assert seen.state == "delivered"
        clock.advance(minutes=20)
        with pytest.raises(SignInLost):
            await late.sync()
        await late.enrol(await bench.code(made.driver))
        await late.sync()
        assert await _taken(bench.db, phone) == {act.id for act in acts}
        async with bench.db.snapshot() as tx:
            query = select(StopEvent).where(col(StopEvent.mutation_id).is_not(None))
            told = [str(event.mutation_id) for event in await tx.scalars(query)]
        assert sorted(told) == sorted(act.id for act in acts)
    await _drop(pg_server, backup)


async def _drop(server: str, url: str) -> None:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        name = make_url(url).database
        await connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    await engine.dispose()
