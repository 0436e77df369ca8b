"""Measure ways to tell many streams of a change: looking, and three ways to notify.

Run as ``python -m bench.nudges [seconds]``; it brings its own PostgreSQL (fsync on) in a temporary
folder. Eight writers change the scopes of 200 drivers as fast as they can, and a stream for
each driver learns of it in this process. Absolute figures depend on the machine: compare the lines.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from backend.cli import schema
from backend.embedded import running
from backend.nudges import EVERY_S, Interest, Nudges
from backend.store.database import Database

SCOPES = [f"driver:{UUID(int=number)}" for number in range(200)]
WRITERS, PACE_S = 8, 0.3
WRITE = (
    "INSERT INTO scope (id, v) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET v = scope.v + 1 "
    "RETURNING v"
)


@dataclass
class Run:
    """What one way cost and how late its news came."""

    url: str
    seconds: float
    notify_inside: bool = False
    written: dict[tuple[str, int], float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)

    async def write(self, seed: int) -> None:
        """Change scopes, one in each transaction, until time is up."""
        connection: Any = await asyncpg.connect(self.url)
        dice, until = random.Random(seed), time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            scope = dice.choice(SCOPES)
            async with connection.transaction():
                v = await connection.fetchval(WRITE, scope)
                if self.notify_inside:
                    await connection.execute(f"NOTIFY nudge, '{scope}'")
            self.written[scope, v] = time.perf_counter()
            self.fresh.add(scope)
        await connection.close()

    def heard(self, scope: str, v: int) -> None:
        """Note how long ago a number that was heard of was committed."""
        at = self.written.pop((scope, v), None)
        if at is not None:
            self.delays.append(time.perf_counter() - at)

    def line(self, name: str, bare: float) -> str:
        """One line of the table."""
        rate = len(self.written) + len(self.delays)
        cuts = statistics.quantiles(self.delays, n=100) if len(self.delays) > 1 else [0.0] * 99
        per_s = rate / self.seconds
        return f"{name:34} {per_s:9,.0f} {per_s / bare:7.2f} {cuts[49]:8.3f} {cuts[98]:8.3f}"


@asynccontextmanager
async def nobody(_run: Run) -> AsyncIterator[None]:
    """Tell nobody."""
    yield


@asynccontextmanager
async def looking(run: Run) -> AsyncIterator[None]:
    """Look at the counters, as the application does."""
    db = Database(run.url.replace("postgresql:", "postgresql+asyncpg:"))
    nudges, done = Nudges(db), asyncio.Event()

    async def follow(number: int, scope: str) -> None:
        with nudges.listen(Interest(UUID(int=number), (scope,), 1)) as listener:
            while not done.is_set():
                await listener.stirred.wait()
                listener.stirred.clear()
                run.heard(scope, listener.v or 0)

    tasks = [asyncio.create_task(follow(*pair)) for pair in enumerate(SCOPES)]
    yield
    done.set()
    await nudges.stop()
    await asyncio.gather(*tasks)
    await db.close()


@asynccontextmanager
async def listening(run: Run) -> AsyncIterator[None]:
    """Hear notifications on one connection, and read the numbers of whoever was named."""
    line: Any = await asyncpg.connect(run.url)
    reader: Any = await asyncpg.connect(run.url)
    named: set[str] = set()
    await line.add_listener("nudge", lambda *said: named.update(said[3].split(",")))

    async def follow() -> None:
        while True:
            await asyncio.sleep(PACE_S if not run.notify_inside else 0.01)
            if run.fresh and not run.notify_inside:
                scopes, run.fresh = sorted(run.fresh), set()
                for start in range(0, len(scopes), 100):
                    await reader.execute(
                        "SELECT pg_notify('nudge', $1)", ",".join(scopes[start : start + 100])
                    )
            for row in await reader.fetch(
                "SELECT id, v FROM scope WHERE id = ANY($1)", list(named)
            ):
                run.heard(row["id"], row["v"])
            named.clear()

    task = asyncio.create_task(follow())
    yield
    await asyncio.sleep(2 * PACE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await line.close()
    await reader.close()


async def one(url: str, seconds: float, way: Callable[[Run], Any], *, inside: bool) -> Run:
    """Let the writers write while one way tells of it."""
    run = Run(url, seconds, notify_inside=inside)
    async with way(run):
        await asyncio.gather(*(run.write(seed) for seed in range(WRITERS)))
    return run


async def looks(url: str, streams: int) -> tuple[float, float]:
    """Return the median time of a look for so many streams, and the CPU it costs here."""
    db = Database(url.replace("postgresql:", "postgresql+asyncpg:"))
    nudges, times = Nudges(db, every_s=3600), []
    with ExitStack() as everybody:
        for n in range(streams):
            interest = Interest(UUID(int=n), (f"driver:{UUID(int=n)}",), 1, UUID(int=n))
            everybody.enter_context(nudges.listen(interest))
        cpu = time.process_time()
        for _ in range(50):
            start = time.perf_counter()
            await nudges.look()
            times.append(time.perf_counter() - start)
        spent = (time.process_time() - cpu) / 50
    await nudges.stop()
    await db.close()
    return statistics.median(times) * 1000, spent * 1000


async def measure(url: str, seconds: float) -> None:
    """Measure every way and print the table."""
    await one(url, 1, nobody, inside=False)
    bare = await one(url, seconds, nobody, inside=False)
    rate = len(bare.written) / seconds
    ways = (
        ("nobody is told", bare),
        (f"looking every {EVERY_S * 1000:.0f} ms", await one(url, seconds, looking, inside=False)),
        ("notified in batches after commit", await one(url, seconds, listening, inside=False)),
        ("NOTIFY in the transaction", await one(url, seconds, listening, inside=True)),
    )
    print(f"{'way':34} {'writes/s':>9} {'of bare':>7} {'p50 s':>8} {'p99 s':>8}")
    for name, run in ways:
        print(run.line(name, rate))
    print(f"\n{'streams':>8} {'look ms':>8} {'CPU ms':>8} {'% of a core at this pace':>26}")
    for streams in (0, 20, 200, 1_000):
        look, cpu = await looks(url, streams)
        print(f"{streams:8} {look:8.2f} {cpu:8.2f} {cpu / EVERY_S / 10:26.2f}")


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    with (
        tempfile.TemporaryDirectory(prefix="doorstep-bench-") as name,
        running(Path(name) / "pg") as cluster,
    ):
        schema.upgrade(cluster.url())
        asyncio.run(measure(cluster.url().replace("+asyncpg", ""), seconds))


if __name__ == "__main__":
    main()
