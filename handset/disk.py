"""One SQLite file per phone, so that a driver's act and its number are one local transaction.

WAL with full sync: what `transaction` has returned from survives a kill and a flat battery. A
simulated fleet may ask for `NORMAL`, which survives a kill but not a power cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    n INTEGER PRIMARY KEY CHECK (n > 0),
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    stop_id TEXT,
    captured_at TEXT NOT NULL,
    envelope BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'acked')),
    acked_at TEXT,
    receipt BLOB,
    reflected INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS journal_pending ON journal (n) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS journal_unreflected ON journal (n) WHERE reflected = 0;
CREATE TABLE IF NOT EXISTS entity (
    type TEXT NOT NULL, id TEXT NOT NULL, v INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
    sha256 TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'verified', 'refused', 'freed')),
    detail TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS naming (
    sha256 TEXT NOT NULL, mutation_id TEXT NOT NULL, PRIMARY KEY (sha256, mutation_id)
) WITHOUT ROWID;
"""

Sync = Literal["FULL", "NORMAL"]
# Called before each step that outlasts the app: a statement, a commit, a file, a request. One that
# raises ends the app right there, as a kill would.
Pulse = Callable[[], None]


def alive() -> None:
    """The pulse of an app that nobody kills."""


class Disk:
    """The phone's database; small enough that calling it from the event loop is honest."""

    def __init__(self, path: Path, *, synchronous: Sync = "FULL", pulse: Pulse = alive) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.synchronous: Sync = synchronous
        self.pulse = pulse
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {synchronous}")
        self._db.executescript(_SCHEMA)

    @property
    def db(self) -> sqlite3.Connection:
        self.pulse()
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; an inner call joins the outer transaction."""
        if self._db.in_transaction:
            yield self._db
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self.pulse()
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def get(self, key: str) -> str | None:
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def put(self, key: str, value: str | None) -> None:
        if value is None:
            self.db.execute("DELETE FROM meta WHERE key = ?", (key,))
            return
        self.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def count(self, sql: str, *values: str | int) -> int:
        return int(self.db.execute(sql, values).fetchone()[0])

    def wipe(self) -> None:
        """Forget everything, as a revoked phone must."""
        with self.transaction() as db:
            for table in ("meta", "journal", "entity", "evidence", "naming"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 (names above, not input)
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.execute("VACUUM")

    def close(self) -> None:
        self._db.close()


def write_durably(
    path: Path, data: bytes, *, synchronous: Sync = "FULL", pulse: Pulse = alive
) -> None:
    """A file that is either wholly there, on the disk, or not there at all; owner's eyes only."""
    half = path.with_name(path.name + ".part")
    fd = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        if synchronous == "FULL":
            os.fsync(file.fileno())
    pulse()
    half.replace(path)
