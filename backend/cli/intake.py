"""`import FILE` and `gazetteer load FILE`: orders and known addresses from the command line."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.intake.notes import RowNote
    from backend.intake.places import Loaded
    from backend.intake.records import Group
    from backend.intake.report import ImportReport
    from backend.intake.service import Rows

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHOWN = 20  # remarks shown to a person; --json has them all
LARGEST_JSON = 256 * 1024 * 1024


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--depot", required=True, help="The depot's code.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Service day.  [default: the next]")
@click.option("--dry-run", is_flag=True, help="Only tell what would happen.")
@data_option
@json_option
def import_file(
    file: Path,
    depot: str,
    date: dt.datetime | None,
    dry_run: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Bring the consignments of FILE (CSV or JSON) in; bad rows are told and left out."""
    tell = Teller(machine=as_json)
    day = date.date() if date else None
    with installation(settings_for(data), tell) as settings, file.open("rb") as opened:
        report = asyncio.run(_import(settings, opened, depot, day, tell, dry_run=dry_run))
    tell.result(_words(report), msgspec.to_builtins(report))


@click.group()
def gazetteer() -> None:
    """Known addresses, for consignments that come without coordinates."""


@gazetteer.command()
@click.argument("file", type=_FILE)
@click.option("--country", help="The country of rows that name none.")
@data_option
@json_option
def load(file: Path, country: str | None, data: Path | None, as_json: bool) -> None:
    """Add the addresses of FILE (CSV: housenumber, street, postcode, city, country, lat, lon)."""
    from backend.intake.countries import alpha2

    code = alpha2(country) if country is not None else None
    if country is not None and code is None:
        raise click.BadParameter(f"{country!r} is no country", param_hint="--country")
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings:
        tell("loading addresses")
        loaded = asyncio.run(_load(settings, file.read_bytes(), code))
    facts = {"stored": loaded.stored, "left_out": loaded.left_out}
    tell.result(f"{loaded.stored:,} addresses stored, {loaded.left_out:,} left out.", facts)


class _Told:
    """Rows that show how many of them have gone by."""

    def __init__(self, rows: "Rows", tell: Teller) -> None:
        self._rows, self._tell = rows, tell

    @property
    def warnings(self) -> "tuple[RowNote, ...]":
        return self._rows.warnings

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> "Iterator[Group]":
        return self._tell.count(self._rows, "importing consignments", len(self._rows))


async def _import(
    settings: Settings,
    file: BinaryIO,
    depot: str,
    day: dt.date | None,
    tell: Teller,
    *,
    dry_run: bool,
) -> "ImportReport":
    from backend.cli.ground import database
    from backend.domain.people import SYSTEM
    from backend.intake.service import import_rows
    from backend.keys import load_keys

    tell("reading")
    rows = _Told(_rows(file), tell)
    keys = load_keys(settings.data, log_name=settings.log_name)
    async with database(settings) as db:
        return await import_rows(db, keys, SYSTEM, depot, rows, service_date=day, dry_run=dry_run)


def _rows(file: BinaryIO) -> "Rows":
    """Read a list as JSON and everything else as CSV."""
    from backend.intake.csv_rows import CsvRows
    from backend.intake.json_rows import JsonRows

    head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    file.seek(0)
    if not head.startswith((b"[", b"{")):
        return CsvRows(file)
    raw = file.read(LARGEST_JSON + 1)
    if len(raw) > LARGEST_JSON:
        raise click.ClickException("a JSON file may have 256 MiB; send it as CSV or in parts")
    return JsonRows(raw)


async def _load(settings: Settings, raw: bytes, country: str | None) -> "Loaded":
    from backend.cli.ground import database
    from backend.intake.places import load_places

    async with database(settings) as db, db.begin() as tx:
        return await load_places(tx, raw, country=country)


def _words(report: "ImportReport") -> str:
    counts = (
        f"{report.accepted:,} accepted, {report.updated:,} updated, "
        f"{report.unchanged:,} unchanged, {len(report.rejected):,} rejected, "
        f"{len(report.warnings):,} warnings"
    )
    rejected = [f"  rejected {_note(note)}" for note in report.rejected[:_SHOWN]]
    warnings = [f"  warning  {_note(note)}" for note in report.warnings[:_SHOWN]]
    hidden = len(report.rejected) + len(report.warnings) - len(rejected) - len(warnings)
    more = [f"  and {hidden:,} more remarks: see them with --json"] if hidden > 0 else []
    return "\n".join([counts, *rejected, *warnings, *more])


def _note(note: "RowNote") -> str:
    where = f"line {note.line} {note.pointer}" if note.line is not None else note.pointer
    return f"{where}: {note.code}: {note.detail}"
