"""Measure whether the positions lane delays events: online pushes beside a silent and a full lane.

Run as ``python -m bench.positions [seconds]``; it brings its own PostgreSQL (fsync on) and server.
Four drivers push one note after the other, each at his own stop; meanwhile the lane is silent, as
busy as a fleet of two hundred makes it, or flooded. CPU is the server's alone, in percent of a
core. Absolute figures depend on the machine: compare the lines.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count, cycle
from pathlib import Path
from uuid import UUID, uuid4

import httpx

from backend.cli import schema
from backend.clock import rfc3339
from backend.embedded import running
from backend.store.database import Database
from bench.sync.procs import cpu_seconds
from bench.sync.serving import Server, serving
from tests.fixtures.phones import Phone, a_phone, settings_for
from tests.fixtures.visits import a_round

PUSHERS, SENDERS, BATCHES = 4, 40, 20


@dataclass
class Run:
    """One line of the table."""

    client: httpx.AsyncClient
    until: float
    pushes: list[float] = field(default_factory=list)
    fixes: int = 0
    shed: int = 0

    async def push(self, phone: Phone, stop: UUID, numbers: Iterator[int]) -> None:
        """Push one note after the other and note how long each took."""
        while time.perf_counter() < self.until:
            n = next(numbers)
            note = {"id": str(uuid4()), "n": n, "kind": "stop.noted", "kind_version": 1}
            note |= {"stop_id": str(stop), "base": 1, "body": {"text": "at the back door"}}
            note["at"] = {"wall": rfc3339(datetime.now(UTC))}
            body, start = json.dumps({"mutations": [note]}), time.perf_counter()
            answer = await self.client.post("/driver/v1/sync", content=body, headers=phone.headers)
            self.pushes.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text

    async def report(self, phone: Phone, size: int, every_s: float) -> None:
        """Send batches of positions at a pace, or as fast as they are answered."""
        batches = cycle(_batches(size))
        body = next(batches)
        while (now := time.perf_counter()) < self.until:
            answer = await self.client.post(
                "/driver/v1/positions", content=body, headers=phone.headers
            )
            self.fixes += size if answer.status_code == 202 else 0
            self.shed += answer.status_code == 429
            body = next(batches) if answer.status_code == 202 else body
            await asyncio.sleep(max(0.0, every_s - (time.perf_counter() - now)))

    def line(self, name: str, seconds: float, cpu: float) -> str:
        """Write the line."""
        cuts = statistics.quantiles(self.pushes, n=100)
        return (
            f"{name:44} {len(self.pushes) / seconds:9.0f} {1000 * cuts[49]:8.1f}"
            f" {1000 * cuts[98]:8.1f} {self.fixes / seconds:9.0f} {self.shed:6}"
            f" {100 * cpu / seconds:6.0f}"
        )


@cache
def _batches(size: int) -> list[bytes]:
    """Write batches beforehand: what writing them takes would delay those who push from here."""
    at, made = datetime.now(UTC) - timedelta(days=1), []
    for _ in range(BATCHES):
        fixes = []
        for _ in range(size):
            at += timedelta(milliseconds=100)
            fixes.append({"at": rfc3339(at), "lat": 39.29, "lon": -76.6, "accuracy_m": 8})
        made.append(json.dumps({"fixes": fixes}).encode())
    return made


async def measure(url: str, folder: Path, server: Server, seconds: float) -> None:
    """Measure every load and print the table."""
    db, settings = Database(url), settings_for(url, folder)
    rounds = [await a_round(db, "economy") for _ in range(PUSHERS)]
    stops = [made.stops["economy"] for made in rounds]
    pushers = [await a_phone(db, settings, made.driver) for made in rounds]
    senders = [await a_phone(db, settings) for _ in range(SENDERS)]
    print(
        f"{'lane':44} {'push/s':>9} {'p50 ms':>8} {'p99 ms':>8}"
        f" {'fixes/s':>9} {'shed':>6} {'CPU %':>6}"
    )
    loads = (
        ("", 0, 0, 0.0),  # to warm up
        ("silent", 0, 0, 0.0),
        ("20 batches of 10 a second", 40, 10, 2.0),
        ("flooded by batches of 500", 8, 500, 0.0),
    )
    numbers = [count(1) for _ in pushers]
    for name, crowd, size, every_s in loads:
        limits = httpx.Limits(max_connections=PUSHERS + SENDERS)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", limits=limits, timeout=60
        ) as client:
            run = Run(client, time.perf_counter() + seconds)
            pushing = [run.push(*pair) for pair in zip(pushers, stops, numbers, strict=True)]
            _batches(size)
            sending = [run.report(phone, size, every_s) for phone in senders[:crowd]]
            cpu = cpu_seconds(server.pid)
            await asyncio.gather(*pushing, *sending)
        if name:
            print(run.line(name, seconds, cpu_seconds(server.pid) - cpu))
    await db.close()


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-", dir="/tmp") as name:
        folder = Path(name)
        with running(folder / "pg") as cluster:
            url = cluster.url()
            schema.upgrade(url)
            with serving(settings_for(url, folder)) as server:
                asyncio.run(measure(url, folder, server, seconds))


if __name__ == "__main__":
    main()
