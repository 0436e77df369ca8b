"""`backup`: everything an installation is, in one file.

The database is copied first. Evidence is written before the rows that speak of it and never
changes, so whatever the copy names is there when the files are read afterwards.
"""

import contextlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from backend.cli import archive, dump, schema
from backend.cli.ground import data_option, installation, json_option, settings_for
from backend.cli.tell import Teller
from backend.settings import Settings

DATABASE = "database.dump"
FOLDERS = ("keys", "blobs")


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@data_option
@json_option
def backup(target: Path, data: Path | None, as_json: bool) -> None:
    """Copy database, keys and evidence into TARGET, while everything goes on.

    The file holds the keys: keep it as you keep them. Evidence kept in S3 stays there.
    """
    if target.exists():
        raise click.ClickException(f"{target} exists; a backup never overwrites")
    tell = Teller(machine=as_json)
    with installation(settings_for(data), tell) as settings, _beside(target) as work:
        tell("copying the database")
        dump.dump(str(settings.database_url), work / DATABASE)
        fresh = work / "archive"
        with os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT, 0o600), "wb") as file:
            facts = _write(file, settings, work / DATABASE, tell)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, target)
    tell.result(f"{target}: {facts['files']} files, {facts['bytes']:,} bytes.", facts)


def _write(file: IO[bytes], settings: Settings, copy: Path, tell: Teller) -> dict[str, int]:
    from backend.clock import SystemClock, rfc3339

    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        writer = archive.Writer(tar)
        sizes = [writer.add(copy, DATABASE)]
        for folder in FOLDERS:
            paths = sorted(_files(settings.data / folder))
            sizes += [
                writer.add(path, path.relative_to(settings.data).as_posix())
                for path in tell.count(paths, f"copying {folder}", len(paths))
            ]
        writer.seal(rfc3339(SystemClock().now()), schema.newest() or "")
    return {"files": len(sizes), "bytes": sum(sizes)}


def _files(folder: Path) -> Iterator[Path]:
    """Whole files: what is being written has a name with a dot in front."""
    return (path for path in folder.rglob("[!.]*") if path.is_file())


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A private folder on the target's disk, so that the finished file only needs a new name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".doorstep-backup-", dir=target.parent) as work:
        yield Path(work)
