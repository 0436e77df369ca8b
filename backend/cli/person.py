"""`person add`: the first administrator comes from here, the rest may too."""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

import click

from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.domain.people import Role
from backend.settings import Settings


@click.group()
def person() -> None:
    """Add people who may sign in."""


@person.command()
@click.option("--email", required=True, help="What they sign in with.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--depot", "depots", multiple=True, help="A depot's code; may be given repeatedly.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@data_option
@json_option
def add(
    email: str,
    role: str,
    depots: tuple[str, ...],
    password_stdin: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Add somebody, or give a new password, role and depots to one who is known."""
    if "@" not in email.strip("@"):
        raise click.BadParameter(f"{email!r} is no e-mail address", param_hint="--email")
    password = _password(from_stdin=password_stdin)
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings:
        known, unknown = asyncio.run(
            _add(settings, email, Role(role), sorted(set(depots)), password)
        )
    facts = {
        "id": str(known),
        "email": email.lower(),
        "role": role,
        "depots": sorted(set(depots)),
        "unknown_depots": list(unknown),
    }
    tell.result(f"{email} may sign in as {role}.{_not_yet(unknown)}", facts)


def _not_yet(unknown: tuple[str, ...]) -> str:
    """A depot comes with the first order for it, and its people may be there before."""
    if not unknown:
        return ""
    return f" No depot is called {', '.join(unknown)} yet: nothing of it is seen until one is."


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not password:
        raise click.ClickException("the password is empty")
    return password


async def _add(
    settings: Settings, email: str, role: Role, depots: list[str], password: str
) -> tuple[UUID, tuple[str, ...]]:
    from backend.cli.ground import database
    from backend.identity.people import add_person
    from backend.store.people import unknown_depots

    async with database(settings) as db, db.begin() as tx:
        known = await add_person(tx, email, role, depots, password)
        return known, await unknown_depots(tx, depots)
