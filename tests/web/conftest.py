"""The application, served in this process, and a round whose depot has a supervisor."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.domain.people import Role
from backend.settings import Settings
from backend.store.database import Database
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
async def client(settings: Settings, clock: FakeClock) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """The application."""
    async with calling(settings, clock) as client:
        yield client


@pytest.fixture
async def made(db: Database) -> Round:
    """A released route with a stop in each segment."""
    return await a_round(db)


@pytest.fixture
async def boss(db: Database, client: AsyncTestClient[Litestar], made: Round) -> Somebody:
    """A supervisor of the round's depot."""
    return await a_person(db, client, Role.SUPERVISOR, made.depot)
