"""`person add`: the first administrator comes from here, the rest may too."""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

import click

from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller, counted
from backend.domain.people import Role
from backend.settings import Settings

# NIST SP 800-63B, 5.1.1.2: eight characters at the least, of any kind.
_LEAST = 8


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
        known, was, unknown = asyncio.run(
            _add(settings, email, Role(role), sorted(set(depots)), password)
        )
    facts = {
        "id": str(known),
        "email": email.lower(),
        "role": role,
        "was": was,
        "depots": sorted(set(depots)),
        "unknown_depots": list(unknown),
    }
    changed = f" (was {was})" if was not in (None, role) else ""
    sees = _sees_nothing(Role(role), depots) + _not_yet(unknown)
    tell.result(f"{email} may sign in as {role}{changed}.{sees}", facts)


def _sees_nothing(role: Role, depots: tuple[str, ...]) -> str:
    """Supervisors see their depots and nothing else."""
    if role is not Role.SUPERVISOR or depots:
        return ""
    return " A supervisor sees nothing without a depot: say it again with --depot."


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
    if len(password) < _LEAST:
        has = counted(len(password), "character")
        raise click.ClickException(f"the password has {has}: {_LEAST} are the least")
    return password


async def _add(
    settings: Settings, email: str, role: Role, depots: list[str], password: str
) -> tuple[UUID, str | None, tuple[str, ...]]:
    """His id, his role before if he was known, and the depots that are not there yet."""
    from backend.cli.ground import database
    from backend.identity.people import add_person
    from backend.store.people import by_email, unknown_depots

    async with database(settings) as db, db.begin() as tx:
        before = await by_email(tx, email)
        known = await add_person(tx, email, role, depots, password)
        was = before.role if before else None
        return known, was, await unknown_depots(tx, depots)
