"""`doorstep`, the operator's command. A module is a group of commands; heavy imports are lazy.

A new command is one line in COMMANDS: where it is, and what `doorstep --help` says about it.
"""

import importlib
import sys
from collections.abc import Sequence

import click

COMMANDS = {
    "up": ("backend.cli.up:up", "Run everything: database, migrations, API and jobs."),
    "serve": ("backend.cli.up:serve", "Run the API alone."),
    "jobs": ("backend.cli.up:jobs", "Run the timetable alone."),
    "demo": ("backend.cli.demo:demo", "Run a whole day on made-up data, then serve it."),
    "drill": ("backend.cli.drill.command:drill", "Send simulated drivers out on bad roads."),
    "conformance": (
        "backend.cli.conformance.command:conformance",
        "Try a server or an app against the contract.",
    ),
    "migrate": ("backend.cli.migrate:migrate", "Bring the database up to date."),
    "import": ("backend.cli.intake:import_file", "Bring consignments in from CSV or JSON."),
    "gazetteer": ("backend.cli.intake:gazetteer", "Load known addresses."),
    "plan": ("backend.cli.plan:plan", "Build the routes of a depot's day."),
    "release": ("backend.cli.plan:release", "Make a plan binding and visible to drivers."),
    "person": ("backend.cli.person:person", "Add people who may sign in."),
    "audit": ("backend.cli.audit:audit", "Verify, export and seal the audit log."),
    "backup": ("backend.cli.backup:backup", "Copy database, evidence and keys into one file."),
    "restore": ("backend.cli.restore:restore", "Bring a backup back to life."),
}


class Commands(click.Group):
    """The commands by name; a module is imported only when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="doorstep")
def doorstep() -> None:
    """Routes, manifests and proof of delivery for drivers who are offline half the day."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line; what an operator can mend is said in a sentence, not a traceback."""
    from backend.cli.family import NotStarted
    from backend.embedded import EmbeddedFailed
    from backend.errors import DoorstepError
    from backend.settings import SettingsIncomplete

    try:
        doorstep(words, prog_name="doorstep")
    except (DoorstepError, EmbeddedFailed, NotStarted, SettingsIncomplete) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
