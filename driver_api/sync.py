"""``POST /driver/v1/sync``: one round trip pushes and pulls (contract §2)."""

from datetime import datetime, timedelta
from typing import Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from msgspec import UNSET, Struct, UnsetType

from backend.clock import rfc3339
from backend.domain.watch import is_off, off_by
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import devices, feed, manifests
from backend.store.database import Database, moment
from backend.wire.body import read_body
from sync import clocks, cursor
from sync.clocks import Exchange
from sync.clockwork import DeviceTime, read_wall
from sync.envelope import MAX_BYTES, BatchTooLarge, Client, Envelope, open_envelope
from sync.mutations import Heard, hear
from sync.pull import Digests, Pulled, held_at, pull
from sync.push import Pushed, push
from sync.receipts import Reply, WarningOut

# A phone that only asks is noted at most this often, so that an idle sync writes nothing.
_NOTED_EVERY = timedelta(minutes=1)


class SyncIn(Struct):
    """How the schema shows the envelope, which ``open_envelope`` reads."""

    cursor: str | None = None
    pull: bool = True
    client: dict[str, object] = {}
    mutations: list[dict[str, object]] = []


@post("/sync", status_code=200, operation_id="sync", opt={"body": SyncIn})
async def sync_call(
    request: Request[None, None, State],
    any_device: NamedDependency[CallingDevice],
    db: NamedDependency[Database],
    keys: NamedDependency[Keys],
    digests: NamedDependency[Digests],
) -> Reply:
    """Take in what the phone did, and tell it what changed."""
    arrived = db.now()  # a slow road may take its time over the body
    envelope = open_envelope(await read_body(request, MAX_BYTES, BatchTooLarge))
    batch = [hear(raw) for raw in envelope.mutations]
    exchange = _exchange(arrived, envelope.client, batch)
    pushed = Pushed([], None)
    if batch:
        pushed = await push(db, keys, any_device, exchange, batch)
    return await _reply(db, keys, digests, any_device, envelope, exchange, pushed)


async def _reply(
    db: Database,
    keys: Keys,
    digests: Digests,
    device: CallingDevice,
    envelope: Envelope,
    exchange: Exchange,
    pushed: Pushed,
) -> Reply:
    scope = feed.driver_scope(device.driver_id)
    async with db.snapshot() as tx:
        now = moment(tx)
        standing = await manifests.standing(tx, device.id, device.driver_id, scope)
        here = cursor.Cursor(standing.epoch, scope, standing.v)
        held = held_at(envelope.cursor, here, standing.floor)
        pulled: Pulled | None = None
        if envelope.pull and not device.revoked:
            pulled = await pull(tx, keys, digests, here, held)
    if envelope.mutations or _is_stale(standing.seen_at, now):
        await _note_contact(db, device, envelope.client, exchange, pushed, held)
    return Reply(
        server_time=rfc3339(now),
        epoch=standing.epoch,
        acked_n=standing.acked_n,
        need_from=pushed.need_from,
        receipts=pushed.receipts,
        evidence_wanted=[] if device.revoked else list(standing.wanted),
        wipe="after_flush" if device.revoked else None,
        warnings=_warnings(exchange),
        **_pulled(pulled),
    )


def _pulled(pulled: Pulled | None) -> dict[str, Any]:
    if pulled is None:
        return {}
    return {
        "cursor": pulled.cursor,
        "reset": pulled.reset,
        "more": pulled.more,
        "puts": pulled.puts,
        "removes": pulled.removes,
        "digest": pulled.digest,
    }


def _is_stale(seen_at: datetime | None, now: datetime) -> bool:
    return seen_at is None or now - seen_at > _NOTED_EVERY


async def _note_contact(
    db: Database,
    device: CallingDevice,
    client: Client,
    exchange: Exchange,
    pushed: Pushed,
    held: cursor.Cursor | None,
) -> None:
    """Remember that the phone was heard, what it still has, its clocks, and how far its base is."""
    async with db.begin() as tx:
        said: dict[str, Any] = {"seen_at": moment(tx), **_queue(client, pushed)}
        if exchange.offset is not None:
            said["skew_ms"] = exchange.offset.ahead // timedelta(milliseconds=1)
        if held is not None:
            said["pulled_v"] = held.v
        if not pushed.receipts:  # a push has kept the clocks already
            journal = await devices.lock_journal(tx, device.id)
            said["clocks"] = clocks.write(clocks.read(journal.clocks).after(exchange))
        await devices.note_contact(tx, device.id, said)


def _queue(client: Client, pushed: Pushed) -> dict[str, Any]:
    """Return what the phone has left: what it said, without what this very call took."""
    taken = sum(receipt.code != "gap" for receipt in pushed.receipts)
    left = None if client.pending is None else max(client.pending - taken, 0)
    oldest = None if left == 0 else read_wall(client.oldest_pending_at)
    return {"pending": left, "oldest_pending_at": oldest}


def _exchange(arrived: datetime, client: Client, batch: list[Heard]) -> Exchange:
    """Read the phone's clocks, and its last number if it says that it keeps nothing back."""
    sent = DeviceTime(read_wall(client.wall), client.monotonic_ms, client.boot)
    told_all = client.pending is not None and client.pending <= len(batch)
    last_n = max((heard.n for heard in batch if heard.n is not None), default=None)
    return Exchange(arrived, sent, last_n if told_all else None)


def _warnings(exchange: Exchange) -> list[WarningOut] | UnsetType:
    """Tell the driver if his clock is so wrong that he should set it."""
    offset = exchange.offset
    if offset is None or not is_off(offset.ahead):
        return UNSET
    told = f"this phone's clock is {off_by(offset.ahead)}; set it to network time"
    return [WarningOut("clock_skew", told)]
