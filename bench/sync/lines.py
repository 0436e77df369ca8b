"""Which lines are measured: ours, bare SQL in turns with it, and Kinto, crowd by crowd."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg

from backend.identity import access
from backend.keys import load_keys
from backend.store.database import Database
from bench.sync import kinto, ours, world
from bench.sync.bare import open_bare
from bench.sync.measure import Processes, run
from bench.sync.session import IN_FLIGHT, Entrant, Rounds, Session
from bench.sync.world import Device


async def whole(session: Session, tell: Callable[[str], None]) -> None:
    """Measure everything."""
    db = Database(str(session.settings.database_url))
    keys = load_keys(session.settings.data, log_name=session.settings.log_name)
    admin = await asyncpg.connect(session.dsn)
    port = session.server.port
    try:
        template = await ours.prepare(db, keys)
        token = access.issue(keys, template.device, datetime.now(UTC)).token
        await ours.visit(port, _head(port, token), template.visited)
        sample = await admin.fetchval("SELECT id FROM mutation WHERE kind = 'stop.arrived' LIMIT 1")
        for history in session.plan.histories:
            past = (history if history > 1 else 0) // len(session.plan.crowds)
            for crowd in session.plan.crowds:
                tell(f"{history:,} past mutations: filling the database for {crowd} devices")
                await world.populate(admin, template, f"h{history}d{crowd}", crowd, past)
                await world.populate(admin, template, f"h{history}d{crowd}bare", crowd, 0)
            await world.tidy(admin)
            for crowd in session.plan.crowds:
                tell(f"{history:,} past mutations: measuring {crowd} devices")
                devices = await world.phones(admin, keys, port, f"h{history}d{crowd}", crowd)
                others = await world.phones(admin, keys, port, f"h{history}d{crowd}bare", crowd)
                await _ours(session, db, history, devices, others, sample)
                if session.plan.peers and history == session.plan.histories[0]:
                    tell(f"Kinto, {crowd} devices")
                    await _kinto(session, await _entities(session, devices[0]), crowd, history)
    finally:
        await admin.close()
        await db.close()


def _head(port: int, token: str) -> bytes:
    return (
        f"POST /driver/v1/sync HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    ).encode()


async def _ours(
    session: Session,
    db: Database,
    history: int,
    devices: list[Device],
    others: list[Device],
    sample: UUID,
) -> None:
    """Measure ours; what bare SQL does as well, in turns with it, and for devices of its own."""
    phones, few = ours.Ours(db, session.server.port), len(devices) > 20
    us = partial(Entrant, "ours", devices, session.server.pid)
    bare = await open_bare(session.dsn, IN_FLIGHT[len(devices)], sample)
    them = partial(Entrant, "bare SQL", others, None)
    n = 6 if few else session.plan.rounds

    async def line(what: str, mine: Entrant, peer: Entrant | None = None, units: int = 1) -> None:
        peers = [peer] if peer and session.plan.peers else []
        await session.measure(what, mine, *peers, history=history, units=units)

    # Connections are warm then, and every phone has a cursor.
    await run(phones.fresh, devices, range(1), 8, Processes(None, 0), 600)
    snapshots = Rounds(range(1 if few else 3), alone=range(1), counted=range(1))
    await line("fresh 150", us(phones.fresh, snapshots))
    asking = Rounds(range(5 if few else 20), alone=range(5), counted=range(2))
    await line("idle", us(phones.idle, asking))
    arrivals = Rounds(range(3, 3 + n), range(2), counted=range(44, 46), warm=range(2, 3))
    await line("online push", us(phones.online, arrivals), them(bare.online, arrivals))
    more = Rounds(range(49, 49 + n // 3), alone=range(46, 49), counted=range(64, 66))
    await line("online sync", us(phones.online_sync, more))
    fifties = Rounds(range(4, 5 if few else 6), counted=range(3, 4))
    await line("drain 50", us(phones.drain, fifties), them(bare.drain, fifties), ours.BATCH)
    closing = Rounds(range(6, 7 if few else 8), counted=range(8, 9))
    await line("visits 50", us(phones.visits, closing), units=ours.BATCH)
    await run(phones.fresh, devices, range(1), 8, Processes(None, 0), 600)
    changes = Rounds(range(2, 3), alone=range(1), counted=range(3, 4))
    await line("delta 5", us(phones.delta, changes, phones.change_five))
    if not session.notes:
        await _compressed(session, phones, devices[0])
    phones.close()
    await bare.pool.close()


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


async def _kinto(
    session: Session, entities: list[dict[str, object]], crowd: int, history: int
) -> None:
    dsn = await _empty_database(session.dsn, f"kinto{crowd}")
    with kinto.serving(session.settings.data, dsn) as (pid, port):
        peer = await kinto.furnished(port, dsn, entities, crowd)
        devices, few = list(range(crowd)), crowd > 20
        n = 6 if few else session.plan.rounds
        them = partial(Entrant, "Kinto", devices, pid)
        line = partial(session.measure, history=history)
        # Warm, and a time for all.
        await run(peer.fresh, devices, range(1), 8, Processes(None, 0), 600)
        await line("fresh 150", them(peer.fresh, Rounds(range(1), range(1), range(1))))
        asking = Rounds(range(2 if few else 10), alone=range(5), counted=range(2))
        await line("idle", them(peer.idle, asking))
        arrivals = Rounds(range(3, 3 + n), range(2), counted=range(44, 46), warm=range(2, 3))
        await line("online push", them(peer.online, arrivals))
        fifties = Rounds(range(1), counted=range(1, 2))
        await line("drain 50", them(peer.drain, fifties), units=ours.BATCH)
        await run(peer.fresh, devices, range(1), 8, Processes(None, 0), 600)
        changes = Rounds(range(1, 2), alone=range(1), counted=range(2, 3))
        await line("delta 5", them(peer.delta, changes, peer.change_five))
        peer.close()


async def _empty_database(dsn: str, name: str) -> str:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return dsn.replace("/doorstep?", f"/{name}?")
