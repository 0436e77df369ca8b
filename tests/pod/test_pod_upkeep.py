"""The evidence store looked after: lost files are asked for again, needed ones never go (I14)."""

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.audit.record import Event, record
from backend.blobs import Blobs, open_blobs, read_bytes
from backend.blobs.address import key_of
from backend.domain.people import SYSTEM
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.stops import Stop
from pod.upkeep import collect, recheck
from tests.driver_api.pictures import a_picture
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import Phone, a_phone, calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

PATCH = {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    """Its store of files."""
    return open_blobs(settings)


@pytest.fixture
async def client(settings: Settings, clock: FakeClock) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """The application."""
    async with calling(settings, clock) as client:
        yield client


@pytest.fixture
async def ground(db: Database, settings: Settings) -> Round:
    """A released route."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    return await a_round(db, "standard", keys=keys)


@pytest.fixture
async def phone(db: Database, settings: Settings, ground: Round) -> Phone:
    """The phone of the route's driver."""
    return await a_phone(db, settings, ground.driver)


def sha_of(content: bytes) -> str:
    """Hash as an address."""
    return hashlib.sha256(content).hexdigest()


async def upload(client: AsyncTestClient[Litestar], phone: Phone, content: bytes) -> int:
    """Announce and send in one request."""
    said = {"sha256": sha_of(content), "kind": "photo", "media_type": "image/jpeg"}
    pairs = ",".join(f"{k} {b64encode(v.encode()).decode()}" for k, v in said.items())
    more = {**PATCH, "Upload-Length": str(len(content)), "Upload-Metadata": pairs}
    answer = await client.post(
        "/driver/v1/evidence", content=content, headers={**phone.headers, **more}
    )
    return answer.status_code


async def deliver(
    client: AsyncTestClient[Litestar], phone: Phone, stop: UUID, content: bytes, n: int = 1
) -> dict[str, object]:
    """Say that the stop was delivered, naming a photo; the receipt."""
    named = {"sha256": sha_of(content), "kind": "photo", "size": len(content)}
    mutation = {
        "id": str(uuid4()),
        "n": n,
        "kind": "stop.delivered",
        "kind_version": 1,
        "stop_id": str(stop),
        "body": {"method": "handed_over", "parcels": []},
        "evidence": [{**named, "media_type": "image/jpeg"}],
    }
    reply = await sync(client, phone, mutation)
    receipts: list[dict[str, object]] = json.loads(json.dumps(reply["receipts"]))
    return receipts[0]


async def sync(
    client: AsyncTestClient[Litestar], phone: Phone, *mutations: dict[str, object]
) -> dict[str, object]:
    """Make one sync call."""
    answer = await client.post(
        "/driver/v1/sync", json={"mutations": list(mutations)}, headers=phone.headers
    )
    assert answer.status_code == 200, answer.text
    reply: dict[str, object] = answer.json()
    return reply


async def test_what_is_wanted_after_the_day(
    db: Database, client: AsyncTestClient[Litestar], ground: Round, phone: Phone, clock: FakeClock
) -> None:
    """A named photo stays wanted when the day's end takes the stop off the manifest."""
    content = a_picture()
    receipt = await deliver(client, phone, ground.stops["standard"], content)
    assert receipt["outcome"] == "applied"
    assert (await sync(client, phone))["evidence_wanted"] == [sha_of(content)]
    clock.advance(minutes=5)
    async with db.begin() as tx:
        stop = await tx.get_one(Stop, ground.stops["standard"], with_for_update=True)
        off = {"manifest_driver_id": None}
        await record(tx, SYSTEM, Event("stop.withdrawn", Stop, stop.id, off))
    assert (await sync(client, phone))["evidence_wanted"] == [sha_of(content)]
    assert await upload(client, phone, content) == 201
    assert (await sync(client, phone))["evidence_wanted"] == []


async def test_what_can_never_be_evidence_is_not_wanted(
    client: AsyncTestClient[Litestar], ground: Round, phone: Phone
) -> None:
    """Bytes that came as announced and are no picture are not asked for again."""
    content = b"no picture, though honestly announced"
    await deliver(client, phone, ground.stops["standard"], content)
    assert await upload(client, phone, content) == 415
    assert (await sync(client, phone))["evidence_wanted"] == []


async def test_what_the_store_lost_is_wanted_again(
    db: Database,
    client: AsyncTestClient[Litestar],
    ground: Round,
    phone: Phone,
    settings: Settings,
    blobs: Blobs,
) -> None:
    """A missing file is noticed, asked for, taken once more, and then at peace."""
    content, sound = a_picture(), a_picture()
    assert await upload(client, phone, content) == 201
    assert await upload(client, phone, sound) == 201
    await deliver(client, phone, ground.stops["standard"], content)
    assert await recheck(db, blobs, None) is None
    assert (await sync(client, phone))["evidence_wanted"] == []
    (settings.data / "blobs" / key_of(sha_of(content))).unlink()
    await recheck(db, blobs, None)
    assert (await sync(client, phone))["evidence_wanted"] == [sha_of(content)]
    path = f"/driver/v1/evidence/{sha_of(content)}/status"
    state = (await client.get(path, headers=phone.headers)).json()["state"]
    assert state == "announced"
    assert await upload(client, phone, content) == 201
    assert await read_bytes(blobs, sha_of(content)) == content
    assert (await sync(client, phone))["evidence_wanted"] == []
    assert (await client.get(path, headers=phone.headers)).json()["state"] == "verified"
    await recheck(db, blobs, None)
    assert (await sync(client, phone))["evidence_wanted"] == []


async def test_only_what_nothing_names_is_collected(
    db: Database,
    client: AsyncTestClient[Litestar],
    ground: Round,
    phone: Phone,
    blobs: Blobs,
    tmp_path: Path,
) -> None:
    """Verified files stay, and what held, refused or applied acts name; an old orphan goes."""
    named, verified, held, refused, orphan, young = (a_picture() for _ in range(6))
    assert await upload(client, phone, verified) == 201
    await deliver(client, phone, ground.stops["standard"], named)
    assert (await deliver(client, phone, uuid4(), held, 2))["code"] == "unknown_stop"
    nonsense = {"id": "x", "n": 3, "kind": "stop.delivered", "body": sha_of(refused)}
    await sync(client, phone, nonsense)
    for content in (named, held, refused, orphan, young):
        file = tmp_path / sha_of(content)
        file.write_bytes(content)
        await blobs.put_file(sha_of(content), file, "image/jpeg")
    for content in (named, verified, held, refused, orphan):
        os.utime(tmp_path / "blobs" / key_of(sha_of(content)), (0, 0))
    assert await collect(db, blobs, datetime.now(UTC) - timedelta(days=30)) == 1
    sizes = [await blobs.size(sha_of(each)) for each in (named, verified, held, refused, young)]
    assert None not in sizes
    assert await blobs.size(sha_of(orphan)) is None
