"""Every envelope ever released is taken today as it was taken then."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.identity import access
from backend.keys import Keys, load_keys
from backend.store.database import Database
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.stops import StopEvent
from sync.words import BODIES
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import KEYS
from tests.sync.golden_cases import CLIENT, RELEASED, Golden, golden_cases, ground_for, released

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
CASES = list(golden_cases())


@dataclass
class Ground:
    """An installation whose keys are those that the golden codes were made with."""

    db: Database
    client: AsyncTestClient[Litestar]
    keys: Keys
    clock: FakeClock


@pytest.fixture(scope="module")
async def ground(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """The application, called from outside, nineteen minutes after the goldens were written."""
    settings = settings_for(pg_url, tmp_path_factory.mktemp("golden"))
    (settings.data / "keys").mkdir()
    (settings.data / "keys" / "master.key").write_bytes(base64.b64encode(KEYS.master))
    keys = load_keys(settings.data, log_name=settings.log_name)
    assert keys.master == KEYS.master
    clock = FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    db = Database(pg_url, clock=clock)
    async with calling(settings, clock) as client:
        yield Ground(db, client, keys, clock)
    await db.close()


async def outcome_of(ground: Ground, golden: Golden) -> Json:
    """Send a case's envelopes in one batch; return what came of them, as goldens word it."""
    device = await ground_for(golden, ground.db, ground.keys)
    token = access.issue(ground.keys, device, ground.clock.now()).token
    answer = await ground.client.post(
        "/driver/v1/sync",
        json={"pull": False, "client": CLIENT, "mutations": golden.envelopes},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    reply = answer.json()
    return {
        "acked_n": reply["acked_n"],
        "receipts": [_told(receipt) for receipt in reply["receipts"]],
        "timeline": await _timeline(ground, golden),
        "inbox": await _inbox(ground, device),
    }


def _told(receipt: Json) -> Json:
    stop = receipt["stop"]
    return {
        "outcome": receipt["outcome"],
        "code": receipt["code"],
        "stop": [stop["state"], stop["proof"]] if stop else None,
        "findings": sorted(f"{found['severity']} {found['code']}" for found in receipt["findings"]),
        "entry": receipt["entry"] is not None,
    }


async def _timeline(ground: Ground, golden: Golden) -> list[Json]:
    query = (
        select(col(StopEvent.kind), col(StopEvent.outcome), col(StopEvent.body))
        .where(
            col(StopEvent.stop_id).in_(golden.named("stop_id")), col(StopEvent.source) == "driver"
        )
        .order_by(col(StopEvent.version))
    )
    async with ground.db.snapshot() as tx:
        rows = await tx.execute(query)
        return [{"kind": row.kind, "outcome": row.outcome, "body": row.body} for row in rows]


async def _inbox(ground: Ground, device: UUID) -> list[str]:
    query = select(col(InboxItem.kind)).where(col(InboxItem.device_id) == device)
    async with ground.db.snapshot() as tx:
        return sorted(await tx.scalars(query))


@pytest.mark.parametrize("golden", CASES, ids=[golden.name for golden in CASES])
async def test_a_released_envelope_is_taken_as_it_was(ground: Ground, golden: Golden) -> None:
    """Receipts, timeline and inbox are those of the golden; its bytes are kept as they came."""
    assert await outcome_of(ground, golden) == golden.case["leads_to"]
    ids = [UUID(sent["id"]) for sent in golden.envelopes]
    async with ground.db.snapshot() as tx:
        kept = await tx.scalars(select(col(Mutation.id)).where(col(Mutation.id).in_(ids)))
        assert set(kept) == set(ids)


def test_every_kind_and_version_has_goldens() -> None:
    """A kind or version that is added needs envelopes that hold it to its word for ever."""
    shown = {(golden.kind, golden.version) for golden in CASES}
    missing = {(kind.value, version) for kind, version in BODIES} - shown
    assert not missing, f"add tests/sync/golden/KIND.vN.json for {sorted(missing)}"


def test_released_goldens_never_change() -> None:
    """What phones may still send is not edited: a case that differs needs a name of its own."""
    now = {golden.name: golden.hash for golden in CASES}
    assert len(now) == len(CASES), "two cases of one name"
    changed = [name for name, digest in released().items() if now.get(name) != digest]
    assert not changed, f"these were released and stay as they were: {changed}"
    fresh = [f"{digest}  {name}" for name, digest in now.items() if name not in released()]
    assert not fresh, f"append to {RELEASED.name}:\n" + "\n".join(fresh)
