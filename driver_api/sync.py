"""``POST /driver/v1/sync``: one round trip pushes and pulls (contract §2)."""

from uuid import UUID

from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from msgspec import Struct

from backend.keys import Keys
from backend.store.database import Database
from backend.wire.body import read_body
from sync.answer import Answering
from sync.call import open_call
from sync.envelope import MAX_BYTES, BatchTooLarge, open_envelope
from sync.pull import Digests
from sync.receipts import Reply


class SyncIn(Struct):
    """How the schema shows the envelope, which ``open_envelope`` reads."""

    cursor: str | None = None
    pull: bool = True
    client: dict[str, object] = {}
    mutations: list[dict[str, object]] = []


@post("/sync", status_code=200, operation_id="sync", opt={"body": SyncIn})
async def sync_call(
    request: Request[None, None, State],
    named_device: NamedDependency[UUID],
    db: NamedDependency[Database],
    keys: NamedDependency[Keys],
    digests: NamedDependency[Digests],
) -> Reply:
    """Take in what the phone did, and tell it what changed."""
    arrived = db.now()  # a slow road may take its time over the body
    envelope = open_envelope(await read_body(request, MAX_BYTES, BatchTooLarge))
    call = open_call(named_device, arrived, envelope)
    return await Answering(db, keys, digests).answer(call)
