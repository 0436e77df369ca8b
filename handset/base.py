"""The phone's copy of what the server says, with its cursor and the digest that proves it true.

A pull is applied in one transaction or not at all. The driver's own pending acts are laid over it
only for display, so the copy never holds what the server has not judged yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from handset.disk import Disk
from handset.wire import Reply

Entity = TypeVar("Entity")


class Base:
    """Entities by (type, id), each at the version the server gave."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    @property
    def cursor(self) -> str | None:
        return self._disk.get("cursor")

    def forget_cursor(self) -> None:
        """Ask for a snapshot next time; what we hold stays visible until it comes."""
        self._disk.put("cursor", None)

    def apply(self, reply: Reply) -> bool:
        """Take over a pull; False where the digest says that our copy has gone astray."""
        with self._disk.transaction() as db:
            if reply.reset:
                db.execute("DELETE FROM entity")
            db.executemany(
                "INSERT OR REPLACE INTO entity (type, id, v, data) VALUES (?, ?, ?, ?)",
                [(put.type, put.id, put.v, bytes(put.data)) for put in reply.puts],
            )
            db.executemany(
                "DELETE FROM entity WHERE type = ? AND id = ?",
                [(gone.type, gone.id) for gone in reply.removes],
            )
            true_copy = reply.more or reply.digest is None or reply.digest == self.digest()
            self._disk.put("cursor", reply.cursor if true_copy else None)
        return true_copy

    def digest(self) -> str:
        rows = self._disk.db.execute("SELECT type, id, v FROM entity")
        return digest((str(kind), str(entity_id), int(v)) for kind, entity_id, v in rows)

    def versions(self) -> dict[tuple[str, str], int]:
        rows = self._disk.db.execute("SELECT type, id, v FROM entity")
        return {(str(kind), str(entity_id)): int(v) for kind, entity_id, v in rows}

    def get(self, kind: str, entity_id: str, shape: type[Entity]) -> Entity | None:
        row = self._disk.db.execute(
            "SELECT data FROM entity WHERE type = ? AND id = ?", (kind, entity_id)
        ).fetchone()
        return msgspec.json.decode(row[0], type=shape) if row else None

    def all(self, kind: str, shape: type[Entity]) -> list[Entity]:
        rows = self._disk.db.execute("SELECT data FROM entity WHERE type = ? ORDER BY id", (kind,))
        return [msgspec.json.decode(data, type=shape) for (data,) in rows]


def digest(held: Iterable[tuple[str, str, int]]) -> str:
    """Hex SHA-256 of the lines `type:id:v` and a line feed, sorted."""
    lines = sorted(f"{kind}:{entity_id}:{v}\n" for kind, entity_id, v in held)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
