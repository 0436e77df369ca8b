"""``POST /driver/v1/sync``: one round trip pushes and pulls (contract §2)."""

from datetime import datetime, timedelta
from typing import Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from msgspec import Struct

from backend.clock import rfc3339
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import devices, feed, manifests
from backend.store.database import Database, moment
from backend.wire.body import read_body
from sync import cursor
from sync.clockwork import DeviceTime, read_wall
from sync.envelope import MAX_BYTES, BatchTooLarge, Client, Envelope, open_envelope
from sync.mutations import hear
from sync.pull import Digests, Pulled, held_at, pull
from sync.push import Pushed, push
from sync.receipts import Reply

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
    envelope = open_envelope(await read_body(request, MAX_BYTES, BatchTooLarge))
    pushed = Pushed([], None)
    if envelope.mutations:
        sent = _sent(envelope.client)
        batch = [hear(raw) for raw in envelope.mutations]
        pushed = await push(db, keys, any_device, sent, batch)
    return await _reply(db, keys, digests, any_device, envelope, pushed)


async def _reply(
    db: Database,
    keys: Keys,
    digests: Digests,
    device: CallingDevice,
    envelope: Envelope,
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
        await _note_contact(db, device, envelope.client, held)
    return Reply(
        server_time=rfc3339(now),
        epoch=standing.epoch,
        acked_n=standing.acked_n,
        need_from=pushed.need_from,
        receipts=pushed.receipts,
        evidence_wanted=[] if device.revoked else list(standing.wanted),
        wipe="after_flush" if device.revoked else None,
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
    db: Database, device: CallingDevice, client: Client, held: cursor.Cursor | None
) -> None:
    """Remember that the phone was heard, what it says it still has, and how far its base is."""
    async with db.begin() as tx:
        said: dict[str, Any] = {
            "seen_at": moment(tx),
            "pending": client.pending,
            "oldest_pending_at": read_wall(client.oldest_pending_at),
            **({} if held is None else {"pulled_v": held.v}),
        }
        await devices.note_contact(tx, device.id, said)


def _sent(client: Client) -> DeviceTime:
    return DeviceTime(read_wall(client.wall), client.monotonic_ms, client.boot)
