"""A day of twenty drivers, told once, end to end, through the real processes over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cli.drill.day import spend
from backend.cli.drill.examine import examine
from backend.cli.drill.fate import Odds
from backend.cli.drill.faults import Fault
from backend.cli.drill.muster import Size, muster
from backend.cli.drill.witness import hear
from backend.cli.first import make_ready
from backend.cli.system import run
from backend.settings import Settings, load

pytestmark = pytest.mark.anyio

DRIVERS, STOPS = 20, 50
FAULTS = {Fault.LOST_REQUEST: 0.02, Fault.LOST_REPLY: 0.02, Fault.DUPLICATE: 0.02}


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
    """Twenty drivers with fifty stops each, a third of them out of reach for a third of the day."""
    url, settings = system
    size = Size(
        DRIVERS,
        STOPS,
        Odds(offline=1 / 3, mishaps=0.05),
        FAULTS,
        office=0.02,
        report_every=10,
        hurried=True,
    )
    async with muster(url, settings, tmp_path / "phones", size, _silent) as company:
        await spend(company, _silent)
        findings = examine(await hear(company), company.notebook.odd)
    assert findings.lost == []
    assert findings.doubled == []
    assert findings.odd == []
    assert findings.is_good, findings
    # Arrived and an end at every stop; started and finished for every driver.
    assert findings.recorded >= 2 * DRIVERS * STOPS
    assert findings.mirrors == DRIVERS
    assert company.notebook.receipts["duplicate"] > 0
    assert company.traffic.faults[Fault.LOST_REPLY] > 0
