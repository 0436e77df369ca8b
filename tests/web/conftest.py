"""The application, served in this process, and a round whose depot has a supervisor.

Assembling the application costs more than most tests here, so a module shares one, with its clock;
time only ever moves on within a module.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

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


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    """A clock that stands still on a Monday morning until a test moves it."""
    return FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))


@pytest.fixture(scope="module")
def settings(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
async def served(settings: Settings, clock: FakeClock) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """The application."""
    async with calling(settings, clock) as client:
        yield client


@pytest.fixture
def client(served: AsyncTestClient[Litestar]) -> AsyncTestClient[Litestar]:
    """The application, and a browser without cookies."""
    served.cookies.clear()
    return served


@pytest.fixture
async def made(db: Database) -> Round:
    """A released route with a stop in each segment."""
    return await a_round(db)


@pytest.fixture
async def boss(db: Database, client: AsyncTestClient[Litestar], made: Round) -> Somebody:
    """A supervisor of the round's depot."""
    return await a_person(db, client, Role.SUPERVISOR, made.depot)
