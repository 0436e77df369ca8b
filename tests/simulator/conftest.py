"""What the simulator's tests stand on: one ground for each file."""

import logging
from collections.abc import AsyncIterator

import pytest

from tests.simulator.ground import Ground, ground


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    """A database that fails on purpose is no news."""
    logging.getLogger("doorstep").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
async def here(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """The ground that a file's histories run on."""
    async with ground(pg_url, tmp_path_factory.mktemp("simulator")) as made:
        yield made
