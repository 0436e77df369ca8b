"""`demo`: a whole day on made-up data, through the real processes, over real HTTP."""

import asyncio
import contextlib
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import click
import httpx

from backend.cli.day.control_room import ConsoleRefused
from backend.cli.day.home import empty, free_port, set_environment_aside
from backend.cli.day.ledger import Outcome
from backend.cli.day.people import Login, employ
from backend.cli.day.story import DEPOTS, Day, live
from backend.cli.ending import BrokenOff, end_on_signals, until_signal
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.loss import Loss
from backend.cli.tell import Teller
from backend.settings import Settings
from handset import HandsetError

_FATES = {"needs_attention": "in need of attention"}
_ASIDE = {"duplicate": "came again", "held_for_gap": "waited for a missing number"}


class DayWentWrong(click.ClickException):
    """The day stopped, or ended with something lost, unexplained or unverifiable."""


@click.command()
@click.option("--exit", "then_exit", is_flag=True, help="End after the day instead of serving.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, help="Any free one if it is taken.")
@data_option
@json_option
def demo(then_exit: bool, host: str, port: int, data: Path | None, as_json: bool) -> None:
    """Run a whole day on made-up data, then serve it until Ctrl-C."""
    tell = Teller(machine=as_json)
    end_on_signals()
    set_environment_aside()
    home = settings_for(data).data / "demo"
    end = _End()
    with contextlib.suppress(BrokenOff):
        empty(home, tell)
        loss = Loss()
        with installation(settings_for(home), tell, loss) as settings:
            work = _demo(settings, host, port, tell, end, then_exit=then_exit)
            asyncio.run(until_signal(loss.unless_lost(work)))
    if end.trouble is not None:
        if not end.is_told:
            tell.unfinished({"day": "broken_off", "reason": str(end.trouble)})
        raise end.trouble


@dataclass(slots=True)
class _End:
    """How a demo ended: it was broken off, as long as nothing else is known."""

    trouble: DayWentWrong | None = field(
        default_factory=lambda: DayWentWrong("the demo was broken off")
    )
    is_told: bool = False


async def _demo(
    settings: Settings,
    host: str,
    port: int,
    tell: Teller,
    end: _End,
    *,
    then_exit: bool,
) -> None:
    from backend.cli.system import run

    async with run(settings, host, free_port(host, 0 if then_exit else port), tell) as system:
        try:
            outcome = await run_day(system.url, settings, tell, stays=not then_exit)
            end.trouble = None
            if outcome is not None and not outcome.is_good:
                end.trouble = DayWentWrong(_trouble(outcome))
            end.is_told = True
        except* (ConsoleRefused, HandsetError, httpx.HTTPError) as trouble:
            end.trouble = DayWentWrong("; ".join(_leaves(trouble)))
        if not then_exit and end.trouble is None:
            name = await system.family.first_end()
            end.trouble = DayWentWrong(f"{name} ended unexpectedly, so the rest ends too")


async def run_day(
    url: str, settings: Settings, tell: Teller, *, stays: bool = True
) -> Outcome | None:
    """Live a day on a running installation and tell how it went; None if it has had one before."""
    if await _has_depots(settings):
        logins = await employ(settings, tuple(DEPOTS))
        told = "\n".join(map(_login, logins.values()))
        tell.result(f"Its day is over already; new passwords:\n{told}", {"day": "over", "url": url})
        return None
    started = time.monotonic()
    folder = settings.data / "phones"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    day = Day(url, settings, folder, tell)
    outcome = await live(day)
    seconds = time.monotonic() - started
    where = {"url": url, "data": str(settings.data), "bundle": str(folder / "bundle.zip")}
    facts = {**outcome.facts(), "seconds": round(seconds, 1), **where}
    tell.result(_words(outcome, day, seconds, stays=stays), facts)
    return outcome


async def _has_depots(settings: Settings) -> bool:
    from sqlalchemy import select

    from backend.cli.ground import database
    from backend.tables.fleet import Depot

    async with database(settings) as db, db.snapshot() as tx:
        return await tx.scalar(select(Depot).limit(1)) is not None


def _leaves(group: BaseExceptionGroup[Exception]) -> list[str]:
    """Each single trouble in words."""
    return [
        word
        for error in group.exceptions
        for word in (
            _leaves(error)
            if isinstance(error, BaseExceptionGroup)
            else [f"{type(error).__name__}: {error}"]
        )
    ]


def _trouble(outcome: Outcome) -> str:
    return (
        f"the day did not come out clean: audit {outcome.audit}, "
        f"{outcome.without_fate} consignments without a fate, {outcome.unsaid} acts unsaid"
    )


def _words(outcome: Outcome, day: Day, seconds: float, *, stays: bool) -> str:
    """The summary for people: one table, then where to look and how to get in."""
    rows = {
        "consignments": f"{outcome.consignments}  ({_list(_worded(outcome.fates))})",
        "routes": f"{outcome.routes}",
        "stops": _list(outcome.stops),
        "proofs": _list(outcome.proofs),
        "mutations": _told(outcome.mutations),
        "evidence": f"{outcome.evidence_bytes:,} bytes",
        "log": f"{outcome.entries_sealed:,} entries sealed; audit {outcome.audit}",
    }
    table = "\n".join(f"  {name:<13}{text}" for name, text in rows.items())
    home = quote(str(day.settings.data))
    look = (
        f"Look at it at {day.url}/console - Ctrl-C ends it."
        if stays
        else f"To look at it: {_own_name()} up --data {home}, then /console"
    )
    logins = "\n".join(_login(login) for login in day.logins.values())
    return (
        f"\nA day in {seconds:.0f} s:\n{table}\n\n"
        f"{look}\n{logins}\n"
        f"  bundle       {day.folder / 'bundle.zip'}\n"
    )


def _own_name() -> str:
    """How this command was called, so that the next one is called alike."""
    return sys.argv[0] if Path(sys.argv[0]).name == "doorstep" else "doorstep"


def _login(login: Login) -> str:
    return f"  {login.role.value:<13}{login.email}  {login.password}"


def _told(receipts: Counter[str]) -> str:
    """Receipts by outcome, and how many of them were answered for a second reason."""
    outcomes = Counter({word: n for word, n in receipts.items() if word not in _ASIDE})
    of_them = Counter({said: receipts[word] for word, said in _ASIDE.items() if receipts[word]})
    return _list(outcomes) + (f"; of these {_list(of_them)}" if of_them else "")


def _worded(fates: Counter[str]) -> Counter[str]:
    """Fates as they read behind a number."""
    return Counter({_FATES.get(fate, fate): number for fate, number in fates.items()})


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.most_common())
