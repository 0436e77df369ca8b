"""`audit`: verify a bundle anywhere; print the log's key; export a period; seal what is pending."""

import asyncio
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.audit.checkpoint import Signer
    from backend.audit.export import Asked
    from backend.audit.seal import Sealed
    from backend.audit.verify import Span

_FILE = click.Path(path_type=Path)


@click.group()
def audit() -> None:
    """Show that the record was not altered."""


@audit.command()
@click.argument("bundle", type=_FILE)
@click.option("--key", required=True, type=_FILE, help="The log's verifier key.")
@click.option("--since", type=_FILE, help="A checkpoint of this log from earlier.")
@data_option
@json_option
def verify(bundle: Path, key: Path, since: Path | None, data: Path | None, as_json: bool) -> None:
    """Check BUNDLE. 0: it fits. 1: it does not. 2: unreadable or unconnected. 3: stale.

    Needs no database and no installation; --data is accepted and not used.
    """
    from backend.audit import verify as verifier

    del data
    tell = Teller(machine=as_json)
    tell(f"checking {bundle}")
    try:
        older = None if since is None else verifier.read_given(since)
        report = verifier.verify(bundle, verifier.read_given(key), older)
    except OSError as error:
        report = verifier.Report(verifier.UNREADABLE, str(error))
    tell.result(report.text, {"ok": report.code == verifier.OK, **asdict(report)})
    sys.exit(report.code)


@audit.command()
@data_option
@json_option
def key(data: Path | None, as_json: bool) -> None:
    """Print the log's verifier key; give it to those who will verify."""
    text = _signer(settings_for(data)).key.text.rstrip("\n")
    Teller(machine=as_json).result(text, {"key": text})


@audit.command()
@click.option("--from", "start", help="First moment, RFC 3339.  [default: the beginning]")
@click.option("--to", "end", help="Moment before which it ends, RFC 3339.  [default: now]")
@click.option("--since", type=click.IntRange(0), help="Prove that a tree of this size continues.")
@click.option("--evidence", is_flag=True, help="Put the evidence files in.")
@click.option("--output", "-o", type=_FILE, default=Path("audit-bundle.zip"), show_default=True)
@data_option
@json_option
def export(
    start: str | None,
    end: str | None,
    since: int | None,
    evidence: bool,
    output: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Write the bundle of a period; pending entries are sealed first."""
    from backend.audit.export import Asked

    beginning, no_end = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
    asked = Asked(_time(start, beginning), _time(end, no_end), since, evidence)
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings:
        tell(f"writing {output}")
        span = asyncio.run(_export(settings, asked, output))
    words = f"{output}: {span.count} entries of {span.tree_size} in the log."
    tell.result(words, {"output": str(output), **asdict(span)})


@audit.command()
@data_option
@json_option
def seal(data: Path | None, as_json: bool) -> None:
    """Seal everything that is pending now, and print the signed checkpoint."""
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings:
        tell("sealing")
        done = asyncio.run(_seal(settings))
    facts = {"entries": done.entries, "set_aside": done.aside, "tree_size": done.size}
    tell.result(done.note.rstrip("\n"), {**facts, "checkpoint": done.note})
    sys.exit(1 if done.aside else 0)


def _time(text: str | None, otherwise: datetime) -> datetime:
    from backend.clock import parse_time

    try:
        return otherwise if text is None else parse_time(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _signer(settings: Settings) -> "Signer":
    from backend.audit.checkpoint import signer_of
    from backend.keys import load_keys

    return signer_of(load_keys(settings.data, log_name=settings.log_name))


async def _export(settings: Settings, asked: "Asked", output: Path) -> "Span":
    from backend.audit.export import export
    from backend.blobs import open_blobs
    from backend.cli.ground import database

    fresh = output.with_name(output.name + ".part")
    async with database(settings) as db:
        with fresh.open("wb") as file:
            span = await export(db, _signer(settings), open_blobs(settings), asked, file)
    fresh.replace(output)
    return span


async def _seal(settings: Settings) -> "Sealed":
    from backend.audit.seal import seal
    from backend.cli.ground import database

    async with database(settings) as db:
        return await seal(db, _signer(settings))
