"""Measure push: notes and whole visits, in batches of fifty and one at a time.

Run as ``python -m bench.pushing [batches]``; it brings its own PostgreSQL (fsync on) in a temporary
folder. Each way of taking a chunk in stands beside the other: as a whole, and with a savepoint for
each mutation. CPU is this process's alone; absolute figures depend on the machine.
"""

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import event

from backend.cli import schema
from backend.clock import rfc3339
from backend.embedded import running
from backend.identity.callers import CallingDevice
from backend.keys import load_keys
from backend.store import devices
from backend.store.database import Database
from sync.clocks import Exchange
from sync.clockwork import Echo
from sync.dating import shown_at
from sync.intake import Intake
from sync.moves import moves
from sync.mutations import Heard, hear
from sync.shown import DeviceTime
from tests.fixtures.visits import a_round

_SWITCHED_ON = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(slots=True)
class Phone:
    """A device that numbers what it tells of one stop, and shows its clocks as apps do."""

    device: CallingDevice
    stop: UUID
    n: int = 0
    echo: Echo | None = None

    def notes(self, count: int, now: datetime) -> list[Heard]:
        """Tell so many notes."""
        return [self._told(now) for _ in range(count)]

    def call(self, told: list[Heard], now: datetime) -> Exchange:
        """Bring them, with nothing left to tell."""
        sent = DeviceTime(now, self._ran_ms(now), "b")
        numbered = [(heard.n, shown_at(heard)) for heard in told if heard.n is not None]
        echo, self.echo = self.echo, Echo(now, self._ran_ms(now))
        return Exchange(now, sent, self.n, echo, moves(sent, numbered, more=False))

    def _ran_ms(self, now: datetime) -> float:
        return (now - _SWITCHED_ON) / timedelta(milliseconds=1)

    def _told(self, now: datetime) -> Heard:
        self.n += 1
        told = {
            "id": str(uuid4()),
            "n": self.n,
            "kind": "stop.noted",
            "stop_id": str(self.stop),
            "base": 1,
            "at": {"wall": rfc3339(now), "monotonic_ms": self._ran_ms(now), "boot": "b"},
            "body": {"text": "at the back door"},
        }
        return hear(json.dumps(told).encode())


async def measure(db: Database, folder: Path, batches: int, size: int, *, carefully: bool) -> str:
    """Push batches of one size; return a line of the table."""
    keys = load_keys(folder)
    made = await a_round(db, "economy", keys=keys)
    device = CallingDevice(made.device, made.driver, revoked=False, public_key=None)
    phone, statements = Phone(device, made.stops["economy"]), 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(db._engine.sync_engine, "before_cursor_execute", count)  # noqa: SLF001
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        async with db.begin() as tx:
            journal = await devices.lock_journal(tx, device.id)
            if journal is None:
                raise LookupError("the phone has no journal")
            now = db.now()
            notes = phone.notes(size, now)
            intake = Intake(tx, keys, journal, phone.call(notes, now), carefully=carefully)
            await intake.take(notes, gapped=False)
            devices.keep_journal(tx, journal)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    event.remove(db._engine.sync_engine, "before_cursor_execute", count)  # noqa: SLF001
    told = batches * size
    way = "savepoints" if carefully else "whole"
    return (
        f"{size:>6} {way:>11} {told / wall:>10.0f} {1000 * cpu / told:>8.2f}"
        f" {statements / told:>12.2f}"
    )


async def table(url: str, folder: Path, batches: int) -> None:
    """Print one line for each batch size and way."""
    db = Database(url)
    await measure(db, folder, 2, 50, carefully=False)  # warm
    print(f"{'batch':>6} {'way':>11} {'per second':>10} {'CPU ms':>8} {'statements':>12}")
    for size in (1, 50):
        for carefully in (True, False):
            print(await measure(db, folder, batches, size, carefully=carefully))
    await db.close()


def measure_on(folder: Path, batches: int) -> None:
    """Bring a database into a folder and print the table."""
    with running(folder) as cluster:
        url = cluster.url("postgres")
        schema.upgrade(url)
        asyncio.run(table(url, folder, batches))


def main() -> None:
    """Bring a database and measure on it."""
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-", dir="/tmp") as name:
        measure_on(Path(name), batches)


if __name__ == "__main__":
    main()
