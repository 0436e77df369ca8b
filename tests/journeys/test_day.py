"""A day of twenty drivers, told once, end to end, through the real processes over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cli.day.fleet import Findings, Size, close, examine, muster, spend_the_day
from backend.cli.day.roads import Faults
from backend.cli.first import make_ready
from backend.cli.system import run
from backend.settings import Settings, load

pytestmark = pytest.mark.anyio

DRIVERS, STOPS = 20, 50
FAULTS = Faults(lost_request=0.02, lost_reply=0.02, duplicate=0.02)


def _silent(_step: str) -> None:
    return None


@pytest.fixture
def ready_url(fresh_pg_url: str) -> str:
    """A database with the segments that come with Doorstep."""
    make_ready(fresh_pg_url)
    return fresh_pg_url


@pytest.fixture
async def system(ready_url: str, tmp_path: Path) -> AsyncIterator[tuple[str, Settings]]:
    """API and jobs as the processes an operator runs."""
    settings = replace(load({}), data=tmp_path, database_url=ready_url)
    async with run(settings, "127.0.0.1", 0, _silent) as running:
        yield running.url, settings


async def test_nothing_is_lost_on_a_day_of_twenty_drivers(
    system: tuple[str, Settings], tmp_path: Path
) -> None:
    """Twenty drivers with fifty stops each, a third of them out of reach until evening."""
    url, settings = system
    size = Size(
        DRIVERS,
        STOPS,
        offline=1 / 3,
        faults=FAULTS,
        sync_every=10,
        hurried=True,
        planning_seconds=2,
        synchronous="NORMAL",
    )
    fleet = await muster(url, settings, tmp_path / "phones", size, _silent)
    try:
        await spend_the_day(fleet, _silent)
        findings = await examine(fleet)
    finally:
        await close(fleet)
    _is_as_the_contract_says(findings)


def _is_as_the_contract_says(findings: Findings) -> None:
    assert findings.lost == []
    assert findings.odd == []
    assert findings.photos_unsent == 0
    assert findings.stops == DRIVERS * STOPS
    # Arrived and an end at every stop; started and finished for every driver.
    assert findings.mutations >= 2 * DRIVERS * STOPS + 2 * DRIVERS
    assert findings.receipts["duplicate"] > 0
    assert findings.faults["lost_reply"] > 0
