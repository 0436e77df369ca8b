"""One run: a PostgreSQL with fsync on, our server and Kinto over it, and everything measured."""

import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from backend.cli import first
from backend.embedded import Cluster, running
from backend.embedded.server import server_pid
from backend.identity import access
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from bench.sync import kinto, ours, world
from bench.sync.bare import open_bare
from bench.sync.measure import Figures, Processes, run
from bench.sync.procs import rss_mb
from bench.sync.serving import Server, serving
from bench.sync.statements import counting
from bench.sync.wire import Exchange
from bench.sync.world import Device
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


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    histories: tuple[int, ...] = (1, 100_000, 1_000_000)
    crowds: tuple[int, ...] = (20, 200)
    rounds: int = 40
    seconds: float = 10.0
    peers: bool = True


QUICK = Plan(histories=(1, 20_000), crowds=(20,), rounds=12, seconds=4.0)


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

    async def measure(
        self,
        who: str,
        what: str,
        devices: Sequence[object],
        history: int,
        op: Callable[..., Awaitable[Exchange | None]],
        rounds: range,
        *,
        alone: range = range(0),
        counted: range = range(0),
        units: int = 1,
        server: int | None = None,
        prepare: Callable[..., Awaitable[None]] | None = None,
    ) -> None:
        """Measure one operation alone, in parallel and counted, and keep the line."""
        processes = Processes(server, server_pid(self.cluster) or 0)
        single = None
        if alone:
            few = devices[:20]
            if prepare:
                await prepare(few, alone.start)
            single = (await run(op, few, alone, 1, processes, self.plan.seconds / 2)).median_ms
        if prepare:
            await prepare(devices, rounds.start)
        at_once = IN_FLIGHT[len(devices)]
        took = await run(op, devices, rounds, at_once, processes, self.plan.seconds)
        statements = None
        if counted:
            statements = await self._count(op, devices[:5], counted, units, prepare)
        print(f"         {who}: {what}", file=sys.stderr, flush=True)
        done = len(took.latencies) * units
        self.lines.append(
            Figures(
                who, what, len(devices), history, len(took.latencies), single,
                took.percentile(0.5), took.percentile(0.99), done / took.wall,
                took.up / done, took.down / done, 1000 * took.server / done,
                1000 * took.postgres / done, statements, rss_mb(server) if server else None,
            )
        )  # fmt: skip

    async def _count(
        self,
        op: Callable[..., Awaitable[Exchange | None]],
        devices: Sequence[object],
        rounds: range,
        units: int,
        prepare: Callable[..., Awaitable[None]] | None,
    ) -> float:
        if prepare:
            await prepare(devices, rounds.start)
        async with counting(self.dsn, self.cluster.log) as tally:
            for number in rounds:
                for device in devices:
                    await op(device, number)
        return tally.statements / (len(devices) * len(rounds) * units)


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


async def whole(session: Session, tell: Callable[[str], None]) -> None:
    """Measure everything."""
    db = Database(str(session.settings.database_url))
    keys = load_keys(session.settings.data, log_name=session.settings.log_name)
    admin = await asyncpg.connect(session.dsn)
    try:
        template = await ours.prepare(db, keys)
        token = access.issue(keys, template.device, datetime.now(UTC)).token
        head = _head(session.server.port, token)
        await ours.visit(session.server.port, head, template.visited)
        sample = await admin.fetchval("SELECT id FROM mutation WHERE kind = 'stop.arrived' LIMIT 1")
        for history in session.plan.histories:
            past = (history if history > 1 else 0) // len(session.plan.crowds)
            for crowd in session.plan.crowds:
                tell(f"{history:,} past mutations: filling the database for {crowd} devices")
                await world.populate(admin, template, f"h{history}d{crowd}", crowd, past)
            await world.tidy(admin)
            for crowd in session.plan.crowds:
                tell(f"{history:,} past mutations: measuring {crowd} devices")
                name = f"h{history}d{crowd}"
                devices = await world.phones(admin, keys, session.server.port, name, crowd)
                await _at(session, db, devices, history, sample, tell)
    finally:
        await admin.close()
        await db.close()


async def _at(
    session: Session,
    db: Database,
    devices: list[Device],
    history: int,
    sample: UUID,
    tell: Callable[[str], None],
) -> None:
    await _ours(session, db, devices, history)
    if session.plan.peers:
        await _bare(session, devices, history, sample)
    if session.plan.peers and history == session.plan.histories[0]:
        tell(f"Kinto, {len(devices)} devices")
        await _kinto(session, await _entities(session, devices[0]), len(devices), history)


def _head(port: int, token: str) -> bytes:
    return (
        f"POST /driver/v1/sync HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    ).encode()


async def _ours(session: Session, db: Database, devices: list[Device], history: int) -> None:
    phones, few = ours.Ours(db, session.server.port), len(devices) > 20
    pid, n = session.server.pid, 6 if few else session.plan.rounds

    async def line(
        what: str, op: Callable[..., Awaitable[Exchange]], rounds: range, **more: object
    ) -> None:
        await session.measure("ours", what, devices, history, op, rounds, server=pid, **more)  # type: ignore[arg-type]

    await run(
        phones.fresh, devices, range(1), 8, Processes(None, 0), 600
    )  # warm, and a cursor for all
    await line("fresh 150", phones.fresh, range(1 if few else 3), alone=range(1), counted=range(1))
    await line("idle", phones.idle, range(5 if few else 20), alone=range(5), counted=range(2))
    await line("online push", phones.online, range(3, 3 + n), alone=range(3), counted=range(44, 46))
    await line(
        "online sync", phones.online_sync, range(49, 49 + n // 3), alone=range(46, 49),
        counted=range(64, 66),
    )  # fmt: skip
    await line(
        "drain 50", phones.drain, range(4, 5 if few else 6), counted=range(3, 4), units=ours.BATCH
    )
    await line(
        "visits 50", phones.visits, range(6, 7 if few else 8), counted=range(8, 9), units=ours.BATCH
    )
    await run(phones.fresh, devices, range(1), 8, Processes(None, 0), 600)
    await line(
        "delta 5", phones.delta, range(2, 3), alone=range(1), counted=range(3, 4),
        prepare=phones.change_five,
    )  # fmt: skip
    if not session.notes:
        await _compressed(session, phones, devices[0])
    phones.close()


async def _compressed(session: Session, phones: ours.Ours, device: Device) -> None:
    """Note what a manifest weighs on the wire, where the phone takes zstd."""
    plain = await phones.fresh(device, 0)
    packed = await phones.packed(device)
    asked = await phones.idle(device, 0)
    session.notes.append(f"Headers are {asked.overhead:,} B more a call, both ways together.")
    session.notes.append(
        f"A fresh manifest of 150 copied stops is {len(plain.body):,} B, as zstd"
        f" {len(packed.body):,} B; `python -m bench.manifest` weighs one that was planned."
    )


async def _entities(session: Session, device: Device) -> list[dict[str, object]]:
    line = ours.Ours(Database(str(session.settings.database_url)), session.server.port)
    fresh = await line.fresh(device, 0)
    line.close()
    await line.db.close()
    return [put["data"] for put in json.loads(fresh.body)["puts"] if put["type"] == "stop"]


async def _bare(session: Session, devices: list[Device], history: int, sample: UUID) -> None:
    few, n = len(devices) > 20, session.plan.rounds
    bare = await open_bare(session.dsn, IN_FLIGHT[len(devices)], sample)
    await session.measure(
        "bare SQL", "online push", devices, history, bare.online, range(6 if few else n),
        alone=range(3), counted=range(2),
    )  # fmt: skip
    await session.measure(
        "bare SQL", "drain 50", devices, history, bare.drain, range(1 if few else 2),
        counted=range(1), units=ours.BATCH,
    )  # fmt: skip
    await bare.pool.close()


async def _kinto(
    session: Session, entities: list[dict[str, object]], crowd: int, history: int
) -> None:
    dsn = await _empty_database(session.dsn, f"kinto{crowd}")
    folder = session.settings.data
    with kinto.serving(folder, dsn) as (pid, port):
        peer = await kinto.furnished(port, dsn, entities, crowd)
        devices, few, n = list(range(crowd)), crowd > 20, session.plan.rounds

        async def line(
            what: str, op: Callable[..., Awaitable[Exchange]], rounds: range, **more: object
        ) -> None:
            await session.measure("Kinto", what, devices, history, op, rounds, server=pid, **more)  # type: ignore[arg-type]

        await run(
            peer.fresh, devices, range(1), 8, Processes(None, 0), 600
        )  # warm, and a time for all
        await line("fresh 150", peer.fresh, range(1), alone=range(1), counted=range(1))
        await line("idle", peer.idle, range(2 if few else 10), alone=range(5), counted=range(2))
        await line(
            "online push", peer.online, range(3, 3 + (6 if few else n)), alone=range(3),
            counted=range(44, 46),
        )  # fmt: skip
        await line("drain 50", peer.drain, range(1), counted=range(1, 2), units=ours.BATCH)
        await run(peer.fresh, devices, range(1), 8, Processes(None, 0), 600)
        await line(
            "delta 5", peer.delta, range(1, 2), alone=range(1), counted=range(2, 3),
            prepare=peer.change_five,
        )  # fmt: skip
        peer.close()


async def _empty_database(dsn: str, name: str) -> str:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return dsn.replace("/doorstep?", f"/{name}?")
