"""`conformance`: hold a server, or an app, against the contract."""

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from backend.cli.conformance.kit.report import conforms, facts, line, summary
from backend.cli.conformance.kit.verdict import CannotBegin, Result, Verdict
from backend.cli.ending import BrokenOff, end_on_signals, until_signal
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller, counted
from backend.settings import Settings


class Deviates(click.ClickException):
    """Something was tried and is not as the contract says."""


@click.command()
@click.argument("url", required=False)
@click.option(
    "--code",
    "codes",
    multiple=True,
    help="An enrolment code of a driver with thirty stops that need no code; six are good.",
)
@click.option("--other", "others", multiple=True, help="A code of another driver.")
@click.option(
    "--round",
    "described",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A JSON file that describes the prepared round.",
)
@click.option("--own", is_flag=True, help="Start an installation of our own and try that.")
@click.option("--client", is_flag=True, help="Serve a strict server that an app is pointed at.")
@click.option("--port", default=0, help="For --client; 0: any free one.")
@click.option("--minutes", default=10.0, show_default=True, help="For --client: how long to wait.")
@click.option("--only", multiple=True, help="Numbers of checks, or how they begin.")
@data_option
@json_option
def conformance(
    url: str | None,
    codes: tuple[str, ...],
    others: tuple[str, ...],
    described: Path | None,
    own: bool,
    client: bool,
    port: int,
    minutes: float,
    only: tuple[str, ...],
    data: Path | None,
    as_json: bool,
) -> None:
    """Try the server at URL, rule by rule; or, with --client, an app.

    Ends with 0 if nothing deviates. docs/sync-protocol.md tells the rules by their numbers.
    """
    tell = Teller(machine=as_json)
    results: list[Result] = []
    try:
        if client:
            results += _try_app(port, minutes, tell)
        elif own:
            _try_own(data, only, tell, results)
        elif url is not None:
            _try_server(url, codes, others, described, only, tell, results)
        else:
            raise click.UsageError("name the URL of a server, or --own, or --client")
    except CannotBegin as why:
        tell.unfinished({**facts([]), "reason": str(why)})
        raise click.ClickException(str(why)) from None
    except (BrokenOff, KeyboardInterrupt):
        why_not = f"broken off after {counted(len(results), 'check')}"
        tell.unfinished({**facts(results), "conforms": False, "reason": why_not})
        raise click.ClickException(why_not) from None
    tell.result(summary(results), facts(results))
    if all(result.verdict is Verdict.SKIPPED for result in results):
        raise click.ClickException(f"nothing was tried: {_NO_APP if client else _NO_CHECK}")
    if not conforms(results):
        raise Deviates("it does not conform")


_NO_APP = "no app did anything that can be judged; --minutes gives it longer"
_NO_CHECK = "no check has such a number, or the round lacks what it needs"


def _try_server(
    url: str,
    codes: tuple[str, ...],
    others: tuple[str, ...],
    described: Path | None,
    only: tuple[str, ...],
    tell: Teller,
    found: list[Result],
) -> None:
    from backend.cli.conformance.kit.checks import Lab, try_all
    from backend.cli.conformance.kit.round import Round, read_round
    from backend.cli.conformance.kit.wire import Wire

    try:
        known = read_round(described) if described else Round()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{described} does not describe a round: {error}") from None
    round_ = Round([*codes, *known.codes], [*others, *known.others], known.doors, known.control)
    if not round_.codes:
        raise click.UsageError("at least one enrolment code is needed: --code or --round")
    if not _is_address(url):
        raise click.UsageError(f"{url} is no address of a server: write it as http://host:port")
    _show(try_all(Lab(Wire(url), round_), only), tell, found)


def _is_address(url: str) -> bool:
    try:
        where = urlsplit(url)
        return where.scheme in ("http", "https") and bool(where.hostname) and where.port != 0
    except ValueError:
        return False


def _try_own(data: Path | None, only: tuple[str, ...], tell: Teller, found: list[Result]) -> None:
    from backend.cli.day.home import empty, set_environment_aside

    end_on_signals()
    set_environment_aside()
    home = settings_for(data).data / "conformance"
    empty(home, tell)
    with installation(settings_for(home), tell) as settings:
        if asyncio.run(until_signal(_served(settings, only, tell, found))):
            raise BrokenOff(0)


async def _served(
    settings: Settings, only: tuple[str, ...], tell: Teller, found: list[Result]
) -> None:
    from backend.cli.conformance.kit.checks import Lab, try_all
    from backend.cli.conformance.kit.wire import Wire
    from backend.cli.conformance.own import prepared
    from backend.cli.system import run

    async with run(settings, "127.0.0.1", 0, tell) as system:
        tell("preparing a round")
        round_ = await prepared(system.url, settings)
        lab, over = Lab(Wire(system.url), round_), threading.Event()
        try:
            await asyncio.to_thread(_show, try_all(lab, only), tell, found, over)
        finally:
            over.set()  # before the server stops, which then answers nobody any more


def _try_app(port: int, minutes: float, tell: Teller) -> list[Result]:
    from backend.cli.conformance.kit.strict import trying

    with trying(port) as server:
        if not tell.machine:
            click.echo(f"Point the app at {server.url} with the enrolment code {server.code}.")
            click.echo("Let it sync, record at least six acts at its stops, and go on syncing.")
        server.wait(minutes * 60)
        found: list[Result] = []
        _show(server.results(), tell, found)
        return found


def _show(
    results: Iterable[Result],
    tell: Teller,
    found: list[Result],
    over: threading.Event | None = None,
) -> None:
    """Show each as it comes and keep it in `found`; none any more once it is over."""
    for result in results:
        if over is not None and over.is_set():
            return
        tell.done()
        found.append(result)
        if not tell.machine:
            click.echo(line(result))
