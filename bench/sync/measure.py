"""Running one operation for many devices, and what it cost."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.sync.procs import cpu_seconds
from bench.sync.wire import Exchange

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Processes:
    """Whose CPU is counted: the server's tree (None: there is none) and PostgreSQL's."""

    server: int | None
    postgres: int

    def spent(self) -> tuple[float, float]:
        """Return CPU seconds of both so far."""
        server = cpu_seconds(self.server) if self.server else 0.0
        return server, cpu_seconds(self.postgres)


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table; all but latencies and memory is per unit (a mutation, or a call)."""

    who: str
    what: str
    devices: int
    history: int
    calls: int
    alone_ms: float | None
    p50_ms: float
    p99_ms: float
    per_second: float
    up: float
    down: float
    server_ms: float
    postgres_ms: float
    statements: float | None
    rss_mb: float | None

    @property
    def cpu_ms(self) -> float:
        """CPU of the server and of PostgreSQL."""
        return self.server_ms + self.postgres_ms


@dataclass(frozen=True, slots=True)
class Run:
    """What a bounded series of calls took."""

    latencies: list[float]
    up: int
    down: int
    wall: float
    server: float
    postgres: float

    def percentile(self, share: float) -> float:
        """Return a latency in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def median_ms(self) -> float:
        """Return the middle latency in milliseconds."""
        return 1000 * statistics.median(self.latencies)


async def run(
    op: Callable[[D, int], Awaitable[Exchange | None]],
    devices: Sequence[D],
    rounds: range,
    in_flight: int,
    processes: Processes,
    seconds: float = 60.0,
) -> Run:
    """Let every device do its rounds in order, so many devices at the same time.

    When the seconds are over nothing more is begun: a slow machine measures less, not longer.
    """
    latencies: list[float] = []
    sizes = [0, 0]

    async def worker(mine: Sequence[D]) -> None:
        for number in rounds:
            for device in mine:
                began = time.perf_counter()
                if began > deadline:
                    return
                exchange = await op(device, number)
                latencies.append(time.perf_counter() - began)
                if exchange is not None:
                    sizes[0] += exchange.sent
                    sizes[1] += len(exchange.body)

    server, postgres = processes.spent()
    began = time.perf_counter()
    deadline = began + seconds
    await asyncio.gather(*(worker(devices[start::in_flight]) for start in range(in_flight)))
    wall = time.perf_counter() - began
    after = processes.spent()
    return Run(latencies, sizes[0], sizes[1], wall, after[0] - server, after[1] - postgres)


def joined(runs: Sequence[Run]) -> Run:
    """Take several runs as one, as if nothing had been between them."""
    return Run(
        latencies=[latency for one in runs for latency in one.latencies],
        up=sum(one.up for one in runs),
        down=sum(one.down for one in runs),
        wall=sum(one.wall for one in runs),
        server=sum(one.server for one in runs),
        postgres=sum(one.postgres for one in runs),
    )
