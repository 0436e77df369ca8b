"""What a run stands on, a PostgreSQL with fsync on and our server over it, and how it measures."""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.cli import first
from backend.embedded import Cluster, running
from backend.embedded.server import server_pid
from backend.keys import load_keys
from backend.settings import Settings
from bench.sync.measure import Figures, Processes, Run, joined, run
from bench.sync.procs import rss_mb
from bench.sync.serving import Server, serving
from bench.sync.statements import counting
from bench.sync.wire import Exchange
from tests.fixtures.phones import settings_for

# fsync and everything else about durability stays as PostgreSQL ships it. Vacuum is done by hand
# before each measurement, and the log is made large, so that neither falls into one of them.
TUNING = {
    "shared_buffers": "512MB",
    "max_connections": "150",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
IN_FLIGHT = {20: 8, 200: 32}
# Who is compared with whom takes turns with him, since the machine's speed swings by the minute.
TURNS = 4

Op = Callable[..., Awaitable[Exchange | None]]
Preparing = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    histories: tuple[int, ...] = (1, 100_000, 1_000_000)
    crowds: tuple[int, ...] = (20, 200)
    rounds: int = 40
    seconds: float = 10.0
    peers: bool = True


QUICK = Plan(histories=(1, 20_000), crowds=(20,), rounds=12, seconds=4.0)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Which rounds of an operation are measured in parallel, alone, and counted by statement.

    Those of ``warm`` are not measured: in them every connection plans what it will be asked.
    """

    measured: range
    alone: range = range(0)
    counted: range = range(0)
    warm: range = range(0)


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who does an operation, for which devices.

    ``server`` is the root of the processes whose CPU is counted beside PostgreSQL's.
    """

    who: str
    devices: Sequence[object]
    server: int | None
    op: Op
    rounds: Rounds
    prepare: Preparing | None = None


@dataclass(slots=True)
class Session:
    """What the run stands on, and the lines it has made so far."""

    cluster: Cluster
    dsn: str
    server: Server
    settings: Settings
    plan: Plan
    lines: list[Figures] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def measure(self, what: str, *entrants: Entrant, history: int, units: int = 1) -> None:
        """Measure one operation alone, in parallel and counted, and keep a line of each entrant."""
        singles = [await self._alone(entrant) for entrant in entrants]
        runs = await self._in_turns(entrants)
        for entrant, single, took in zip(entrants, singles, runs, strict=True):
            statements = await self._count(entrant, units)
            print(f"         {entrant.who}: {what}", file=sys.stderr, flush=True)
            rss = rss_mb(entrant.server) if entrant.server else None
            done = len(took.latencies) * units
            self.lines.append(
                Figures(
                    entrant.who, what, len(entrant.devices), history, len(took.latencies), single,
                    took.percentile(0.5), took.percentile(0.99), done / took.wall,
                    took.up / done, took.down / done, 1000 * took.server / done,
                    1000 * took.postgres / done, statements, rss,
                )
            )  # fmt: skip

    async def _alone(self, entrant: Entrant) -> float | None:
        rounds = entrant.rounds.alone
        if not rounds:
            return None
        few = entrant.devices[:20]
        if entrant.prepare:
            await entrant.prepare(few, rounds.start)
        whose = self._processes(entrant)
        took = await run(entrant.op, few, rounds, 1, whose, self.plan.seconds / 2)
        return took.median_ms

    async def _in_turns(self, entrants: Sequence[Entrant]) -> list[Run]:
        turns = min(TURNS if len(entrants) > 1 else 1, *(len(x.rounds.measured) for x in entrants))
        taken: list[list[Run]] = [[] for _ in entrants]
        for entrant in entrants:
            if entrant.prepare:
                await entrant.prepare(entrant.devices, entrant.rounds.measured.start)
            await self._together(entrant, entrant.rounds.warm, self.plan.seconds)
        for turn in range(turns):
            for runs, x in zip(taken, entrants, strict=True):
                whole = x.rounds.measured
                each = len(whole) / turns
                mine = whole[round(turn * each) : round((turn + 1) * each)]
                runs.append(await self._together(x, mine, self.plan.seconds / turns))
        return [joined(runs) for runs in taken]

    async def _together(self, entrant: Entrant, rounds: range, seconds: float) -> Run:
        at_once, whose = IN_FLIGHT[len(entrant.devices)], self._processes(entrant)
        return await run(entrant.op, entrant.devices, rounds, at_once, whose, seconds)

    async def _count(self, entrant: Entrant, units: int) -> float | None:
        few, rounds = entrant.devices[:5], entrant.rounds.counted
        if not rounds:
            return None
        if entrant.prepare:
            await entrant.prepare(few, rounds.start)
        async with counting(self.dsn, self.cluster.log) as tally:
            for number in rounds:
                for device in few:
                    await entrant.op(device, number)
        return tally.statements / (len(few) * len(rounds) * units)

    def _processes(self, entrant: Entrant) -> Processes:
        return Processes(entrant.server, server_pid(self.cluster) or 0)


@contextlib.contextmanager
def opened(folder: Path, plan: Plan) -> Iterator[Session]:
    """Bring PostgreSQL and our server up for the length of the block."""
    with running(folder / "pg", tuning=TUNING) as cluster:
        url = cluster.url()
        first.make_ready(url)
        settings = settings_for(url, folder / "data")
        settings.data.mkdir()
        load_keys(settings.data, log_name=settings.log_name)
        with serving(settings) as server:
            yield Session(cluster, url.replace("+asyncpg", ""), server, settings, plan)
