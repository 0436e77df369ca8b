"""What every test may stand on; the fixtures themselves live in tests/fixtures.

Nothing here imitates a part of Doorstep: PostgreSQL and the S3 server are real.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fixtures.clock import FakeClock
from tests.fixtures.network import refuse_strangers

pytest_plugins = ["tests.fixtures.databases", "tests.fixtures.object_store"]

ROOT = Path(__file__).parents[1]

refuse_strangers()

# How fast a machine is today says nothing about the code.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


# What takes longest begins first, so that no worker is left alone with it at the end.
LONGEST = (
    "test_day.py",
    "test_simulator_",
    "test_up.py",
    "test_demo.py",
    "test_cli_",
    "test_planner_",
    "test_web_",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, and leave the rest as it is."""
    items.sort(key=lambda item: _rank(item.path.name))


def _rank(name: str) -> int:
    ranks = (rank for rank, start in enumerate(LONGEST) if name.startswith(start))
    return next(ranks, len(LONGEST))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still on a Monday morning in London's winter until a test moves it."""
    return FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def data_sets() -> Path:
    """The folder with the real data sets; without it these tests are skipped, loudly."""
    named = os.environ.get("DOORSTEP_DATA_SETS")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"NO DATA SETS: {folder} does not exist; set DOORSTEP_DATA_SETS to the folder that "
            "holds online_retail, osm_extracts and loggibud"
        )
    return folder


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder that a server of another account may pass through, and with a short name.

    pytest's own temporary folders are closed to others, and get closed again by the next run.
    """
    folder = Path(tempfile.mkdtemp(prefix="doorstep-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
