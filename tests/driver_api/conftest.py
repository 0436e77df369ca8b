"""A phone of a new driver at an installation that a module shares, as the tests' clock stands."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.settings import Settings
from backend.store.database import Database
from tests.driver_api.tus_line import Line
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_phone, calling, settings_for


@pytest.fixture(scope="module")
def settings(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One installation for this module; each test brings drivers of its own."""
    return settings_for(pg_url, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """The application, at the moment at which the tests' clock stands."""
    async with calling(settings, FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))) as client:
        yield client


@pytest.fixture
async def line(client: AsyncTestClient[Litestar], db: Database, settings: Settings) -> Line:
    """A phone of a new driver."""
    return Line(client, await a_phone(db, settings))
