"""PostgreSQL's own tools, pg_dump and pg_restore: from the wheel, else from the system."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import URL


def dump(url: str, target: Path) -> None:
    """Write one consistent copy of a database, whatever else goes on in it."""
    _run("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"])


def restore(url: str, source: Path) -> None:
    """Fill an empty database from a copy, wholly or not at all."""
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    _run("pg_restore", url, [*options, str(source)])


def _run(tool: str, url: str, arguments: list[str]) -> None:
    from sqlalchemy import make_url

    parts = make_url(url)
    done = subprocess.run(
        [_find(tool), f"--dbname={_conninfo(parts)}", *arguments],
        env={**os.environ, "PGPASSWORD": str(parts.password or "")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise click.ClickException(f"{tool} failed: {done.stderr.strip()[-800:]}")


def _conninfo(url: "URL") -> str:
    """Say where the database is in libpq's words; the password goes through the environment."""
    host = url.host or url.query.get("host")
    known = {"host": host, "port": url.port, "user": url.username, "dbname": url.database}
    return " ".join(f"{name}={_quote(str(value))}" for name, value in known.items() if value)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _find(tool: str) -> str:
    from backend.embedded import EmbeddedFailed, binaries

    try:
        own = binaries() / tool
    except EmbeddedFailed:
        own = Path(tool)
    found = str(own) if own.exists() else shutil.which(tool)
    if found is None:
        raise click.ClickException(f"{tool} is missing: install PostgreSQL's client programs")
    return found
