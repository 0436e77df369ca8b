"""``POST /driver/v1/sync``: one round trip pushes and pulls (contract §2)."""

from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from msgspec import Struct

from backend.identity.callers import named_device
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


def answering(state: State) -> Answering:
    """Provide who answers: one dependency, because the framework makes a task for each of many."""
    ground, digests = state["ground"], state.setdefault("digests", Digests())
    return Answering(ground.db, ground.keys, digests)


@post("/sync", status_code=200, operation_id="sync", opt={"body": SyncIn})
async def sync_call(
    request: Request[None, None, State], answering: NamedDependency[Answering]
) -> Reply:
    """Take in what the phone did, and tell it what changed."""
    arrived = answering.db.now()  # a slow road may take its time over the body
    device_id = named_device(request, answering.keys, arrived)
    envelope = open_envelope(await read_body(request, MAX_BYTES, BatchTooLarge))
    return await answering.answer(open_call(device_id, arrived, envelope))
