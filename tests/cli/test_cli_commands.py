"""The operator's command: what it lists exists, and what it is told to do is done."""

import importlib
import json

import click
import pytest
from sqlalchemy import text

from backend.cli import COMMANDS
from backend.store.database import Database
from tests.fixtures.processes import called, doorstep

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists(name: str) -> None:
    """Each line of COMMANDS names a command whose help says what it is for."""
    module, attribute = COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.help


def test_help_lists_every_command() -> None:
    """`doorstep --help` names all commands and imports none of what they need."""
    done = doorstep("--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in done.stdout] == []


async def test_person_add(pg_url: str, db: Database) -> None:
    """A person is added with a hashed password; a second time changes, and every time is logged."""
    environ = {"DOORSTEP_DATABASE_URL": pg_url}
    words = ["person", "add", "--email", "Ada@Example.org", "--password-stdin", "--json"]
    first = doorstep(*words, "--role", "admin", stdin="correct horse\n", environ=environ)
    again = called(
        *words, "--role", "supervisor", "--depot", "N1", stdin="another horse\n", environ=environ
    )
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    told = json.loads(again.stdout)
    assert told["id"] == json.loads(first.stdout)["id"]
    assert told["unknown_depots"] == ["N1"]
    assert (json.loads(first.stdout)["was"], told["was"]) == (None, "admin")
    async with db.snapshot() as tx:
        row = (await tx.execute(text("SELECT email, role, password_hash FROM person"))).one()
        logged = await tx.scalar(text("SELECT count(*) FROM audit_entry"))
    assert (row.email, row.role) == ("ada@example.org", "supervisor")
    assert row.password_hash.startswith("$argon2id$")
    assert logged == 2


@pytest.mark.parametrize("words", [("--email", "nobody"), ("--role", "emperor")])
def test_person_add_refuses(words: tuple[str, str], pg_url: str) -> None:
    """What cannot be right is refused in a sentence before anything is written."""
    given = {"--email": "a@b.org", "--role": "admin", words[0]: words[1]}
    flat = [word for pair in given.items() for word in pair]
    done = called(
        "person",
        "add",
        *flat,
        "--password-stdin",
        stdin="x\n",
        environ={"DOORSTEP_DATABASE_URL": pg_url},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_person_add_says_what_it_changes(pg_url: str) -> None:
    """A role that was another, and a supervisor without a depot, who would look at nothing."""
    environ = {"DOORSTEP_DATABASE_URL": pg_url}
    words = ("person", "add", "--email", "eve@example.org", "--password-stdin")
    said = [
        called(*words, "--role", role, stdin="correct horse\n", environ=environ).stdout
        for role in ("admin", "supervisor", "supervisor", "admin")
    ]
    assert said[0] == "eve@example.org may sign in as admin.\n"
    assert "may sign in as supervisor (was admin)." in said[1]
    assert "sees nothing without a depot: say it again with --depot" in said[1]
    assert "was" not in said[2]
    assert said[3] == "eve@example.org may sign in as admin (was supervisor).\n"


@pytest.mark.parametrize(
    ("password", "said"),
    [("", "the password is empty"), ("7 chars", "has 7 characters: 8 are the least")],
)
def test_a_short_password_is_refused(password: str, said: str, pg_url: str) -> None:
    """Before anything is written, in a sentence."""
    words = ("person", "add", "--email", "mallory@b.org", "--role", "admin", "--password-stdin")
    environ = {"DOORSTEP_DATABASE_URL": pg_url}
    done = called(*words, stdin=f"{password}\n", environ=environ)
    assert done.returncode == 1
    assert said in done.stderr


def test_an_old_database_is_not_touched(empty_pg_url: str) -> None:
    """A given database that is not up to date is left alone, and the way out is named."""
    done = called(
        "person",
        "add",
        "--email",
        "a@b.org",
        "--role",
        "admin",
        "--password-stdin",
        stdin="correct horse\n",
        environ={"DOORSTEP_DATABASE_URL": empty_pg_url},
    )
    assert done.returncode == 1
    assert "doorstep migrate" in done.stderr


def test_half_a_setting_is_named() -> None:
    """A wrong environment ends in a sentence that names the variable."""
    done = doorstep("migrate", environ={"DOORSTEP_S3_ENDPOINT": "http://127.0.0.1:1"})
    assert done.returncode == 1
    assert "DOORSTEP_S3_BUCKET" in done.stderr
    assert "Traceback" not in done.stderr
