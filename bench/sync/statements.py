"""Statements counted by PostgreSQL's own log, in a pass apart from the timed ones."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_LINE = re.compile(rb"LOG:  (?:statement|execute [^:]*):\s*([A-Za-z]+)")
_FRAME = frozenset({b"BEGIN", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"RELEASE", b"SHOW"})


@dataclass(slots=True)
class Tally:
    """Statements seen while the log was open; those that only frame a transaction are apart."""

    statements: int = 0
    frames: int = 0


@asynccontextmanager
async def counting(dsn: str, log: Path) -> AsyncIterator[Tally]:
    """Count every statement of every client until the block ends."""
    tally = Tally()
    await _log_all(dsn, on=True)
    start = log.stat().st_size  # noqa: ASYNC240 - nobody else is served here
    try:
        yield tally
    finally:
        words = _words(log, start)
        await _log_all(dsn, on=False)
    tally.frames = sum(word in _FRAME for word in words)
    tally.statements = len(words) - tally.frames


def _words(log: Path, start: int) -> list[bytes]:
    with log.open("rb") as file:
        file.seek(start)
        return [word.upper() for word in _LINE.findall(file.read())]


async def _log_all(dsn: str, *, on: bool) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"ALTER SYSTEM SET log_statement = '{'all' if on else 'none'}'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    await asyncio.sleep(0.3)  # every backend reads it anew before its next statement
