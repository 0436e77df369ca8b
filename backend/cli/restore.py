"""`restore`: an installation from its backup, into an empty place, as a new life.

The new epoch tells every phone that the server may have forgotten what it had acknowledged; each
then takes a fresh manifest and sends again what is not known here.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import click

from backend.cli import archive, dump, schema
from backend.cli.backup import DATABASE, FOLDERS
from backend.cli.ground import data_option, database, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@data_option
@json_option
def restore(source: Path, data: Path | None, as_json: bool) -> None:
    """Bring the backup SOURCE to life in an empty data folder (and database, if one is given)."""
    tell, settings = Teller(machine=as_json), settings_for(data)
    _must_be_empty(settings)
    tell("checking the backup")
    try:
        contents = archive.verify(source)
    except archive.ArchiveBroken as error:
        raise click.ClickException(str(error)) from error
    with _all_or_nothing(settings.data):
        names = archive.unpack(source, settings.data)
        for _ in tell.count(names, "unpacking", len(contents.members)):
            pass
        epoch = _fill(settings, settings.data / DATABASE, tell)
    facts = {"made_at": contents.made_at, "files": len(contents.members), "epoch": str(epoch)}
    tell.result(f"Restored what was backed up at {contents.made_at}.", facts)


def _must_be_empty(settings: Settings) -> None:
    for name in ("postgres", *FOLDERS, DATABASE):
        if (settings.data / name).exists():
            raise click.ClickException(
                f"{settings.data / name} exists: restore needs an empty place"
            )
    if settings.database_url is not None and schema.revision(settings.database_url) is not None:
        raise click.ClickException("the database is in use; restore wants an empty one")


def _fill(settings: Settings, copy: Path, tell: Teller) -> UUID:
    with contextlib.ExitStack() as stack:
        url = settings.database_url
        if url is None:
            from backend.embedded import running

            url = stack.enter_context(running(settings.data, tell=tell)).url()
        tell("restoring the database")
        dump.restore(url, copy)
        copy.unlink()
        schema.upgrade(url)
        return asyncio.run(_begin_new_life(replace(settings, database_url=url)))


async def _begin_new_life(settings: Settings) -> UUID:
    from backend.store.installation import begin_new_life

    async with database(settings) as db, db.begin() as tx:
        return await begin_new_life(tx)


@contextlib.contextmanager
def _all_or_nothing(data: Path) -> Iterator[None]:
    """Take away what was restored if not all of it could be."""
    try:
        yield
    except BaseException:
        (data / DATABASE).unlink(missing_ok=True)
        for name in ("postgres", *FOLDERS):
            shutil.rmtree(data / name, ignore_errors=True)
        raise
