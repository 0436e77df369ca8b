"""What commands stand on: `--data`, `--json`, settings, and a database that runs."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from backend.cli.tell import Teller
from backend.settings import Settings, load

if TYPE_CHECKING:
    from backend.store.database import Database

_log = logging.getLogger("doorstep.cli")
F = TypeVar("F", bound=Callable[..., None])


def data_option(command: F) -> F:
    """Add `--data DIR`: $DOORSTEP_DATA, else ./.doorstep."""
    option = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where everything is kept.  [default: $DOORSTEP_DATA or ./.doorstep]",
    )
    return option(command)


def json_option(command: F) -> F:
    """Add `--json`: one object on stdout, nothing else."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object.")(command)


def settings_for(data: Path | None, **environ: str) -> Settings:
    """Read the settings from the environment, with the command's own words on top."""
    named = {} if data is None else {"DOORSTEP_DATA": str(data)}
    return load({**os.environ, **named, **environ})


@contextlib.contextmanager
def installation(
    settings: Settings, tell: Teller, lost: Callable[[str], None] = _log.error
) -> Iterator[Settings]:
    """Provide settings whose database runs and is up to date for the length of the block.

    A database of our own is started if need be and migrated; one that was given is left as it is,
    since whoever runs it decides when it changes. One of our own that dies is started again; `lost`
    is called with the reason, in another thread, when that is given up.
    """
    from backend.cli import first, schema

    _make_folder(settings.data)
    with contextlib.ExitStack() as stack:
        if settings.database_url is None:
            from backend.embedded import running

            cluster = stack.enter_context(running(settings.data, tell=tell, lost=lost))
            settings = replace(settings, database_url=cluster.url())
            if not first.is_ready(cluster.url()):
                tell("migrating the database")
                first.make_ready(cluster.url())
        elif not schema.is_current(settings.database_url):
            raise click.ClickException("the database is not up to date: run `doorstep migrate`")
        yield settings


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        told = f"{data} cannot be made ({error.strerror}): make it yours, or choose another: --data"
        raise click.ClickException(told) from None


@contextlib.asynccontextmanager
async def database(settings: Settings) -> AsyncIterator["Database"]:
    """Open the database of an installation, with the guard over audited rows standing."""
    from backend.audit.guard import stand_guard
    from backend.store.database import Database

    if settings.database_url is None:
        raise ValueError("settings without a database: enter `installation` first")
    stand_guard()
    db = Database(settings.database_url)
    try:
        yield db
    finally:
        await db.close()
