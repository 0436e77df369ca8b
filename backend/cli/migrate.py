"""`migrate`: bring the database to what the code says, or write the step that will."""

from pathlib import Path

import click

from backend.cli.ground import data_option, json_option, settings_for
from backend.cli.tell import Teller


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if code and database differ.")
@click.option("--write", metavar="MESSAGE", help="For developers: write a new migration.")
@data_option
@json_option
def migrate(check: bool, write: str | None, data: Path | None, as_json: bool) -> None:
    """Bring the database up to date. Several at once are no harm: they wait for one another."""
    from contextlib import ExitStack

    settings, tell = settings_for(data), Teller(machine=as_json)
    with ExitStack() as stack:
        url = settings.database_url
        if url is None:
            from backend.embedded import running

            url = stack.enter_context(running(settings.data, tell=tell)).url()
        _migrate(url, tell, check=check, write=write)


def _migrate(url: str, tell: Teller, *, check: bool, write: str | None) -> None:
    from alembic.util import CommandError

    from backend.cli import first, schema

    try:
        if check:
            schema.check(url)
        elif not first.is_ready(url):
            tell("migrating the database")
            first.make_ready(url)
        if write is not None:
            schema.write_revision(url, write)
    except CommandError as error:
        raise click.ClickException(str(error)) from error
    newest = schema.newest()
    tell.result(f"The database is at {newest}.", {"revision": newest})
