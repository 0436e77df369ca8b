"""What the simulator's tests stand on: one ground for each file."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.simulator.ground import Ground, ground


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """A database that fails on purpose is no news here; elsewhere it is."""
    log = logging.getLogger("doorstep")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


@pytest.fixture(scope="module")
async def here(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """The ground that a file's histories run on."""
    async with ground(pg_url, tmp_path_factory.mktemp("simulator")) as made:
        yield made
