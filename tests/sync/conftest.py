"""A hand-written phone of a driver with a stop in each segment, and its installation."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.identity import access
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import a_round
from tests.sync.by_hand import Handset


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
async def handset(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Handset]:
    """A phone whose driver has four stops, one in each segment."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    made = await a_round(db, keys=keys)
    token = access.issue(keys, made.device, clock.now()).token
    async with calling(settings, clock) as client:
        yield Handset(client, token, made, keys)
