"""`drill`: simulated handsets over real HTTP on bad roads, and what was lost: nothing."""

import asyncio
import contextlib
import shutil
import time
from pathlib import Path

import click
import httpx

from backend.cli.day.control_room import ConsoleRefused
from backend.cli.day.home import empty, set_environment_aside
from backend.cli.drill.day import spend
from backend.cli.drill.examine import Findings, examine
from backend.cli.drill.fate import Odds
from backend.cli.drill.faults import KINDS, MOST, USUAL, Faults, FaultsType
from backend.cli.drill.muster import NotReady, Size, muster
from backend.cli.drill.report import facts, words
from backend.cli.drill.sabotage import NothingToSpoil, Sabotage, spoil
from backend.cli.drill.screen import watching
from backend.cli.drill.witness import hear, promised, settle
from backend.cli.ending import BrokenOff, end_on_signals, until_signal
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings
from handset import HandsetError

_STOPPING = (ConsoleRefused, NotReady, NothingToSpoil, HandsetError, httpx.HTTPError)
_SHARE = click.FloatRange(0, 1)


@click.command()
@click.option("--drivers", default=10, show_default=True, type=click.IntRange(1, 500))
@click.option("--stops", default=20, show_default=True, type=click.IntRange(1, 200), help="Each.")
@click.option(
    "--offline", default=0.3, show_default=True, type=_SHARE, help="Share of doors out of reach."
)
@click.option(
    "--faults",
    default="all",
    show_default=True,
    type=FaultsType(),
    help=f"KIND=CHANCE,... or one chance for all, `all` ({USUAL} each), `none`; a chance is at most"
    f" {MOST}. The kinds: {KINDS}.",
)
@click.option(
    "--mishaps",
    default=0.2,
    show_default=True,
    type=_SHARE,
    help="Share of doors at which something befalls the phone.",
)
@click.option(
    "--office",
    default=0.1,
    show_default=True,
    type=_SHARE,
    help="What the control room does meanwhile, per door.",
)
@click.option(
    "--restarts",
    default=0,
    show_default=True,
    type=click.IntRange(0, 50),
    help="So many times the server is killed and started again.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed is the same day.")
@click.option(
    "--sabotage",
    type=click.Choice([spoilt.value for spoilt in Sabotage]),
    help="Spoil the database before the examination, which has to notice.",
)
@data_option
@json_option
def drill(
    drivers: int,
    stops: int,
    offline: float,
    faults: Faults,
    mishaps: float,
    office: float,
    restarts: int,
    seed: int,
    sabotage: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Send simulated drivers out on bad roads, in an installation of its own.

    Ends with 0 only if nothing that was acknowledged to a phone is missing or doubled.
    """
    tell = Teller(machine=as_json)
    end_on_signals()
    set_environment_aside()
    home = settings_for(data).data / "drill"
    size = Size(drivers, stops, Odds(offline, mishaps, seed), faults, office, restarts)
    spoilt = Sabotage(sabotage) if sabotage else None
    found: list[Findings] = []
    with contextlib.suppress(BrokenOff):
        empty(home, tell)
        with installation(settings_for(home), tell) as settings:
            _run(settings, size, spoilt, tell, found)
    tell.done()
    if not found:
        why = "the drill was broken off"
        tell.unfinished({"good": False, "reason": why})
        raise click.ClickException(why)
    if not found[0].is_good:
        raise click.ClickException(_wrong(spoilt))
    if spoilt:
        raise click.ClickException(f"the sabotage was not noticed: {spoilt}")


def _run(
    settings: Settings,
    size: Size,
    sabotage: Sabotage | None,
    tell: Teller,
    found: list[Findings],
) -> None:
    """Live the day, and say in words what stopped it."""
    try:
        asyncio.run(until_signal(_drill(settings, size, sabotage, tell, found)))
    except* _STOPPING as trouble:
        raise click.ClickException(_told(trouble)) from None


async def _drill(
    settings: Settings,
    size: Size,
    sabotage: Sabotage | None,
    tell: Teller,
    found: list[Findings],
) -> None:
    from backend.cli.system import run

    began = time.monotonic()
    folder = settings.data / "phones"
    shutil.rmtree(folder, ignore_errors=True)
    async with (
        run(settings, "127.0.0.1", 0, tell) as system,
        muster(system.url, settings, folder, size, tell) as company,
    ):
        async with watching(company, tell) as say:
            await spend(company, say, system.pull_the_plug)
        if sabotage is not None:
            await settle(company)
            tell(f"spoiling the database: {sabotage}")
            await spoil(settings, sabotage, promised(company))
        tell("asking every phone what it recorded, and the server whether it has it")
        findings = examine(await hear(company), company.notebook.odd, company.traffic.failures)
        found.append(findings)
        seconds = time.monotonic() - began
        tell.result(
            words(company, findings, seconds, sabotage), facts(company, findings, seconds, sabotage)
        )


def _wrong(sabotage: Sabotage | None) -> str:
    """Something was found; a sabotage that was asked for must not look like a loss of ours."""
    if sabotage is None:
        return "the drill found something wrong; it is named above"
    return (
        "the drill found something wrong, named above, as it had to:"
        f" the database was spoilt on request ({sabotage})"
    )


def _told(trouble: BaseExceptionGroup[Exception]) -> str:
    """The first trouble that stopped the day, in words."""
    first: BaseException = trouble
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"the day could not go on: {type(first).__name__}: {first}"
