"""The same rows written by SQL alone: what the database takes when nobody thinks about them.

Rows are copies of those that one real push of an arrival wrote, in the same tables with the same
constraints and triggers. Each table's write is a prepared statement of its own, as in pgbench.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from bench.sync.world import Device

Row = dict[str, Any]
BATCH = 50
_TABLES = ("mutation", "audit_entry", "audit_pending", "stop_event")
# Statements of one push, BEGIN and COMMIT apart.
STATEMENTS = 10


@dataclass(slots=True)
class Bare:
    """A pool of connections and the rows to copy."""

    pool: asyncpg.Pool
    like: dict[str, Row]
    versions: dict[str, int] = field(default_factory=dict)

    async def online(self, device: Device, number: int) -> None:
        """Write the rows of one arrival."""
        await self._push(device, [device.stops[number % len(device.stops)]])

    async def drain(self, device: Device, number: int) -> None:
        """Write the rows of fifty events, in one transaction, each table's at once."""
        first = number * BATCH
        stops = [device.stops[(first + i) // 3 % len(device.stops)] for i in range(BATCH)]
        await self._push(device, stops)

    async def _push(self, device: Device, stops: Sequence[str]) -> None:
        rows = [self._rows(device, stop) for stop in stops]
        last = dict(zip(stops, rows, strict=True))
        scope, ids = f"driver:{device.driver}", sorted(last)
        async with self.pool.acquire() as c, c.transaction():
            await c.fetchrow(_LOCK_JOURNAL, device.id)
            await c.fetch(_LOCK_STOPS, ids)
            for table in _TABLES:
                values = [list(row[table].values()) for row in rows]
                await c.executemany(_insert(table, self.like[table]), values)
            states = [(UUID(stop), *_version(last[stop])) for stop in ids]
            await c.executemany(_MOVE_STOP, states)
            await c.execute(_MOVE_JOURNAL, device.id, device.n)
            v = await c.fetchval(_BUMP, scope)
            await c.execute(_FEED, scope, ids, v)

    def _rows(self, device: Device, stop: str) -> dict[str, Row]:
        device.n += 1
        version = self.versions[stop] = self.versions.get(stop, 1000) + 1
        entry, mutation, leaf = uuid4(), uuid4(), sha256(uuid4().bytes).digest()
        return {
            "mutation": {
                **self.like["mutation"], "device_id": device.id, "driver_id": device.driver,
                "n": device.n, "id": mutation, "hash": leaf, "stop_id": UUID(stop),
            },
            "audit_entry": {
                **self.like["audit_entry"], "id": entry, "leaf_hash": leaf, "entity_id": stop,
                "n": version,
            },
            "audit_pending": {**self.like["audit_pending"], "entry_id": entry},
            "stop_event": {
                **self.like["stop_event"], "id": uuid4(), "stop_id": UUID(stop),
                "version": version, "mutation_id": mutation, "device_id": device.id,
                "entry": leaf,
            },
        }  # fmt: skip


def _version(row: dict[str, Row]) -> tuple[int, bytes]:
    return row["stop_event"]["version"], row["stop_event"]["entry"]


_LOCK_JOURNAL = "SELECT acked_n FROM device_journal WHERE device_id = $1 FOR UPDATE"
_LOCK_STOPS = "SELECT * FROM stop WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
_MOVE_STOP = (
    "UPDATE stop SET state = 'arrived', arrived_at = now(), version = $2, entry = $3 WHERE id = $1"
)
_MOVE_JOURNAL = "UPDATE device_journal SET acked_n = $2, seen_at = now() WHERE device_id = $1"
_BUMP = (
    "INSERT INTO scope (id, v) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET v = scope.v + 1"
    " RETURNING v"
)
_FEED = (
    "INSERT INTO feed (scope, type, entity_id, v, gone) SELECT $1, 'stop', e, $3, false"
    " FROM unnest($2::text[]) AS e ON CONFLICT (scope, type, entity_id)"
    " DO UPDATE SET v = excluded.v, gone = excluded.gone"
)


def _insert(table: str, like: Row) -> str:
    names = ", ".join(f'"{name}"' for name in like)
    places = ", ".join(f"${place}" for place in range(1, len(like) + 1))
    return f"INSERT INTO {table} ({names}) VALUES ({places})"


async def open_bare(dsn: str, connections: int, mutation: UUID) -> Bare:
    """Open a pool, and read the rows that one real push wrote."""
    pool = await asyncpg.create_pool(dsn, min_size=connections, max_size=connections)
    told = await _one(pool, "mutation", "id = $1", mutation)
    told.pop("seq")
    event = await _one(pool, "stop_event", "mutation_id = $1", mutation)
    entry = await _one(pool, "audit_entry", "leaf_hash = $1", event["entry"])
    pending = await _one(pool, "audit_pending", "entry_id = $1", entry["id"])
    rows = (told, entry, pending, event)
    return Bare(pool, dict(zip(_TABLES, rows, strict=True)))


async def _one(pool: asyncpg.Pool, table: str, where: str, value: object) -> Row:
    row = await pool.fetchrow(f"SELECT * FROM {table} WHERE {where}", value)
    if row is None:
        raise LookupError(f"the real push left no row in {table}")
    return dict(row)
