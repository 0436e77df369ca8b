"""`up`, and the two processes it is made of: `serve` and `jobs`."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from backend.cli import farewell, lifeline
from backend.cli.ending import end_on_signals, until_signal
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.loss import Loss
from backend.cli.tell import Teller
from backend.settings import Settings

# Open connections may hold up the end for so many seconds. Event streams end by themselves.
KILL_TIMEOUT = 3
F = TypeVar("F", bound=Callable[..., None])


def address_options(command: F) -> F:
    """Add `--host` and `--port`."""
    port = click.option("--port", default=8080, show_default=True, help="0: any free one.")
    return click.option("--host", default="127.0.0.1", show_default=True)(port(command))


@click.command()
@address_options
@click.option("--demo", is_flag=True, help="Also make up data and run a day on it.")
@data_option
@json_option
def up(host: str, port: int, demo: bool, data: Path | None, as_json: bool) -> None:
    """Run everything: a database if none is given, migrations, the API and the jobs.

    Ends on SIGTERM and on Ctrl-C.
    """
    from backend.cli import first
    from backend.cli.system import foresee

    tell = Teller(machine=as_json)
    end_on_signals()
    settings = settings_for(data)
    foresee(settings, host, port)
    if settings.database_url is not None and not first.is_ready(settings.database_url):
        tell("migrating the database")
        first.make_ready(settings.database_url)
    loss = Loss()
    with installation(settings, tell, loss) as ready:
        work = loss.unless_lost(_up(ready, host, port, tell, demo=demo))
        asyncio.run(until_signal(work))
        tell("stopping")
    tell.done()


async def _up(settings: Settings, host: str, port: int, tell: Teller, *, demo: bool) -> None:
    from backend.cli.system import run

    async with run(settings, host, port, tell) as system:
        facts = {"url": system.url, "pid": os.getpid(), "data": str(settings.data)}
        tell.result(f"Doorstep is up at {system.url} - Ctrl-C ends it.", facts)
        if demo:
            from backend.cli.demo import run_day

            await run_day(system.url, settings, tell)
        name = await system.family.first_end()
        raise click.ClickException(f"{name} ended unexpectedly, so the rest ends too")


@click.command()
@address_options
@data_option
def serve(host: str, port: int, data: Path | None) -> None:
    """Run the API alone; migrations and jobs are somebody else's."""
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    lifeline.hold_on()
    loss = Loss()

    def end(reason: str) -> None:
        loss(reason)
        os.kill(os.getpid(), signal.SIGTERM)

    with installation(settings_for(data), Teller(), end) as settings:
        os.environ["DOORSTEP_DATA"] = str(settings.data)
        os.environ["DOORSTEP_DATABASE_URL"] = str(settings.database_url)
        server = Server(
            "backend.cli.worker:create",
            factory=True,
            interface=Interfaces.ASGI,
            address=host,
            port=port,
            workers=settings.api_workers,
            workers_kill_timeout=KILL_TIMEOUT,
            log_level=LogLevels.warning,
        )
        server.on_startup(farewell.warn_workers)
        server.serve()
        loss.check()


@click.command()
@data_option
def jobs(data: Path | None) -> None:
    """Run the timetable alone: nightly plans, deadlines, messages, sealing."""
    from backend.jobs import run

    lifeline.hold_on()
    end_on_signals()
    loss = Loss()
    with installation(settings_for(data), Teller(), loss) as settings:
        asyncio.run(until_signal(loss.unless_lost(run(settings))))
