"""What histories run on: a migrated database, two processes' worth of application, a clock."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from unittest import mock
from uuid import UUID

import anyio
import asyncpg
from litestar import Litestar
from sqlalchemy import make_url

from backend.app import create_app, move
from backend.audit.record import Event, record
from backend.dispatch import segments
from backend.domain.people import SYSTEM
from backend.identity import access
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.people import Person, Session
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import settings_for
from tests.simulator.dice import Ids
from tests.simulator.points import stand_between, watching

MORNING = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SUPERVISORS = ("supervisor-one", "supervisor-two")
_SESSIONS_END = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Ground:
    """The server of some histories: two applications over one database."""

    apps: list[Litestar]
    settings: Settings
    clock: FakeClock
    keys: Keys
    observer: "asyncpg.Connection[asyncpg.Record]"

    @property
    def db(self) -> Database:
        """The database, as the first application has it."""
        return self.db_of(self.apps[0])

    @staticmethod
    def db_of(app: Litestar) -> Database:
        """The database, as an application has it."""
        found = app.state["ground"].db
        assert isinstance(found, Database)
        return found

    def forget(self) -> None:
        """Let the processes begin anew, with nothing in memory."""
        for app in self.apps:
            self.db_of(app)._unchanging.clear()

    def token(self, device: UUID) -> str:
        """Sign a device in."""
        return access.issue(self.keys, device, self.clock.now()).token


_free: list[Litestar] = []


@contextlib.asynccontextmanager
async def ground(pg_url: str, folder: Path) -> AsyncIterator[Ground]:
    """Stand on a migrated database; assembled applications are used again and again."""
    clock, settings = FakeClock(MORNING), settings_for(pg_url, folder)
    apps = [_app(settings, clock), _app(settings, clock)]
    keys = load_keys(settings.data, log_name=settings.log_name)
    await tune(settings)
    made = Ground(apps, settings, clock, keys, await connect(settings))
    with contextlib.ExitStack() as stack:
        stack.callback(_free.extend, apps)
        async with apps[0].lifespan(), apps[1].lifespan():
            stack.enter_context(watching())
            for app in apps:
                stand_between(made.db_of(app))
            try:
                await _furnish(made)
                yield made
            finally:
                await made.observer.close()


def _app(settings: Settings, clock: FakeClock) -> Litestar:
    if not _free:
        return create_app(settings, clock=clock)
    app = _free.pop()
    move(app, settings, clock)
    return app


async def connect(here: Settings | Ground) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect to the database beside the applications."""
    settings = here.settings if isinstance(here, Ground) else here
    url = make_url(str(settings.database_url)).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False))


# Deadlocks are part of the day. Planning a short statement costs more than running it, and what was
# planned while a table was empty would read all of it once it is full.
_DATABASE = {
    "deadlock_timeout": "50ms",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}


async def tune(settings: Settings) -> None:
    """Set what every connection of the ground begins with, before there is one."""
    first = await connect(settings)
    name = await first.fetchval("SELECT quote_ident(current_database())")
    for setting, value in _DATABASE.items():
        await first.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    await first.close()


async def _furnish(made: Ground) -> None:
    """Bring in what every history needs: segments, and two people of the control room."""
    await made.observer.execute("CREATE SEQUENCE IF NOT EXISTS naive_cursor START 1000000")
    async with made.db.begin() as tx:
        await segments.seed(tx, segments.first_versions())
        for name in SUPERVISORS:
            id_ = UUID(bytes=sha256(name.encode()).digest()[:16])
            who = {"email": f"{name}@example.org", "role": "admin", "depots": []}
            values = {**who, "password_hash": "none"}
            await record(tx, SYSTEM, Event("person.added", Person, id_, values, create=True))
            await tx.flush()
            hashed = sha256(name.encode()).digest()
            tx.add(Session(token_hash=hashed, person_id=id_, csrf="", expires_at=_SESSIONS_END))


@contextlib.contextmanager
def nothing_by_chance(ids: Ids) -> Iterator[None]:
    """Let the server make ids from the seed; where it would wait, it tries again at once."""

    async def at_once(_seconds: float) -> None:
        await anyio.lowlevel.checkpoint()

    with (
        mock.patch("sync.push.anyio", SimpleNamespace(sleep=at_once)),
        mock.patch("backend.ids.maker", SimpleNamespace(make=ids.servers)),
    ):
        yield
