"""`drill`: simulated handsets over real HTTP on bad roads, and what was lost: nothing."""

import asyncio
import shutil
import time
from pathlib import Path

import click

from backend.cli.day.home import empty, set_environment_aside
from backend.cli.drill.day import spend
from backend.cli.drill.examine import Findings, examine
from backend.cli.drill.fate import Odds
from backend.cli.drill.faults import Faults, FaultsType
from backend.cli.drill.muster import Size, muster
from backend.cli.drill.report import facts, words
from backend.cli.drill.witness import hear
from backend.cli.ending import end_on_signals, until_signal
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings


@click.command()
@click.option("--drivers", default=10, show_default=True, type=click.IntRange(1, 500))
@click.option("--stops", default=20, show_default=True, type=click.IntRange(1, 200), help="Each.")
@click.option("--offline", default=0.3, show_default=True, type=click.FloatRange(0, 1))
@click.option("--faults", default="all", show_default=True, type=FaultsType())
@click.option("--seed", default=1, show_default=True)
@data_option
@json_option
def drill(
    drivers: int,
    stops: int,
    offline: float,
    faults: Faults,
    seed: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Send simulated drivers out on bad roads, in an installation of its own."""
    tell = Teller(machine=as_json)
    end_on_signals()
    set_environment_aside()
    home = settings_for(data).data / "drill"
    empty(home, tell)
    size = Size(drivers, stops, Odds(offline, seed=seed), faults)
    found: list[Findings] = []
    with installation(settings_for(home), tell) as settings:
        asyncio.run(until_signal(_drill(settings, size, tell, found)))
    tell.done()
    if not found or not found[0].is_good:
        raise click.ClickException("not everything that the phones recorded has arrived")


async def _drill(settings: Settings, size: Size, tell: Teller, found: list[Findings]) -> None:
    from backend.cli.system import run

    async with run(settings, "127.0.0.1", 0, tell) as system:
        folder = settings.data / "phones"
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        async with muster(system.url, settings, folder, size, tell) as company:
            await spend(company, tell)
            tell("asking every phone what it recorded, and the server whether it has it")
            findings = examine(await hear(company), company.notebook.odd)
        found.append(findings)
        seconds = time.monotonic() - began
        tell.result(words(company, findings, seconds), facts(company, findings, seconds))
