"""`drill`: simulated handsets over real HTTP on bad roads, and what was lost: nothing."""

import asyncio
import shutil
import time
from pathlib import Path

import click

from backend.cli.day.fleet import Findings, Size, close, examine, muster, spend_the_day
from backend.cli.day.home import empty, set_environment_aside
from backend.cli.day.roads import NO_FAULTS, Faults
from backend.cli.ending import end_on_signals, until_signal
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings

_KINDS = ("lost_request", "lost_reply", "duplicate", "delay")
_CHANCE = click.FloatRange(0, 0.9)
_USUAL = "lost_request=0.05,lost_reply=0.05,duplicate=0.05,delay=0.1"


class FaultsType(click.ParamType[Faults]):
    """Kinds of trouble with their chances: `kind=chance,…`, one chance for all, or `none`."""

    name = "faults"

    def convert(
        self, value: str | Faults, param: click.Parameter | None, ctx: click.Context | None
    ) -> Faults:
        if isinstance(value, Faults):
            return value
        if value == "none":
            return NO_FAULTS
        if "=" not in value:
            return Faults(*[float(_CHANCE(value, param, ctx))] * len(_KINDS))
        chances = {}
        for part in filter(None, value.split(",")):
            kind, _, chance = part.partition("=")
            if kind not in _KINDS:
                self.fail(f"{kind!r} is none of {', '.join(_KINDS)}", param, ctx)
            chances[kind] = float(_CHANCE(chance, param, ctx))
        return Faults(**chances)


@click.command()
@click.option("--drivers", default=10, show_default=True, type=click.IntRange(1, 500))
@click.option("--stops", default=20, show_default=True, type=click.IntRange(1, 200), help="Each.")
@click.option("--offline", default=0.3, show_default=True, type=click.FloatRange(0, 1))
@click.option("--faults", default=_USUAL, show_default=True, type=FaultsType())
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
    size = Size(drivers, stops, offline, faults, seed=seed)
    found: list[Findings] = []
    with installation(settings_for(home), tell) as settings:
        asyncio.run(until_signal(_drill(settings, size, tell, found)))
    tell.done()
    if not found or not found[0].is_good:
        raise click.ClickException("not everything that the phones recorded has arrived")


async def _drill(settings: Settings, size: Size, tell: Teller, found: list[Findings]) -> None:
    from backend.cli.system import run

    started = time.monotonic()
    async with run(settings, "127.0.0.1", 0, tell) as system:
        findings = await drill_day(system.url, settings, size, tell)
    seconds = round(time.monotonic() - started, 1)
    found.append(findings)
    tell.result(_words(findings), {**findings.facts(), "seconds": seconds})


async def drill_day(url: str, settings: Settings, size: Size, tell: Teller) -> Findings:
    """One day of such a fleet on a running, empty installation."""
    folder = settings.data / "phones"
    shutil.rmtree(folder, ignore_errors=True)
    fleet = await muster(url, settings, folder, size, tell)
    try:
        await spend_the_day(fleet, tell)
        tell("asking every phone what it recorded, and the server whether it has it")
        return await examine(fleet)
    finally:
        await close(fleet)


def _words(findings: Findings) -> str:
    suffered = ", ".join(f"{count} {kind}" for kind, count in findings.faults.items()) or "none"
    receipts = ", ".join(f"{count} {kind}" for kind, count in findings.receipts.most_common())
    lost = "nothing" if findings.is_good else f"{len(findings.lost)} acts; {findings.odd[:5]}"
    return (
        f"\n  drivers    {findings.drivers}, {findings.stops} stops visited\n"
        f"  roads      {suffered}\n"
        f"  recorded   {findings.mutations} acts on the phones\n"
        f"  receipts   {receipts}\n"
        f"  lost       {lost}\n"
    )
