"""Erasure reaches every corner in which somebody's own words can lie, and none is ever sealed."""

import hashlib
import io
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from PIL import Image
from sqlalchemy import select, text, update
from sqlmodel import col

from backend.blobs import open_blobs
from backend.dispatch.wishes import Asking, ask_for_another_day
from backend.domain.people import Role
from backend.ids import new_id
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.audit import AuditEntry
from backend.tables.consignments import Consignment, Parcel
from backend.tables.evidence import Evidence
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.phones import a_phone, calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

WORD = "Lenore"
Client = AsyncTestClient[Litestar]


@pytest.fixture
def settings(fresh_pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own: every table of it is searched."""
    return settings_for(fresh_pg_url, tmp_path)


@pytest.fixture
async def client(settings: Settings, clock: FakeClock) -> AsyncIterator[Client]:
    """The application, called within this process."""
    async with calling(settings, clock) as opened:
        yield opened


@pytest.fixture
async def clerk(fresh_db: Database, client: Client) -> Somebody:
    """Somebody of compliance."""
    return await a_person(fresh_db, client, Role.COMPLIANCE)


async def _tables_with(db: Database, word: str) -> list[str]:
    async with db.snapshot() as tx:
        names = await tx.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname='public'"))
        rows = {name: (await tx.execute(text(f'TABLE "{name}"'))).all() for name in names.all()}
    return sorted(name for name, content in rows.items() if word in repr(content))


async def _asked_by_the_customer(db: Database, client: Client, made: Round) -> None:
    """Words of the customer: on his page, and from before there was a visit."""
    page = f"/t/{made.token('premium')}/reschedule"
    json = {"Accept": "application/json"}
    asked = await client.post(page, json={"note": f"{WORD} is at home on Friday"}, headers=json)
    assert asked.status_code == 202, asked.text
    consignment = made.consignments["premium"]
    async with db.begin() as tx:
        asking = Asking(consignment, made.depot, None, new_id())
        await ask_for_another_day(tx, asking, None, f"ask for {WORD}")


async def _told_by_the_driver(
    db: Database, client: Client, settings: Settings, made: Round
) -> None:
    """Words of the driver: a reason of his own, and a mutation that nobody can read."""
    phone = await a_phone(db, settings, made.driver)
    about = {"stop_id": str(made.stops["premium"]), "kind_version": 1}
    skipped = {"kind": "stop.skipped", "body": {"reason": f"{WORD} opens after six"}}
    broken = {"kind": "stop.delivered", "body": {"recipient": {"name": WORD}, "method": 7}}
    said = [
        {"id": str(uuid4()), "n": n, **about, **each} for n, each in enumerate((skipped, broken), 1)
    ]
    said[1]["stop_id"] = str(made.stops["premium"]).upper()
    reply = await client.post("/driver/v1/sync", json={"mutations": said}, headers=phone.headers)
    outcomes = [receipt["outcome"] for receipt in reply.json()["receipts"]]
    assert outcomes == ["applied", "quarantined"]


async def _stored(db: Database, consignment: UUID) -> Consignment:
    async with db.snapshot() as tx:
        query = select(Consignment).where(col(Consignment.id) == consignment)
        return (await tx.execute(query)).scalar_one()


async def test_own_words_are_never_sealed_and_go_with_an_erasure(
    fresh_db: Database, client: Client, clerk: Somebody, settings: Settings
) -> None:
    """Wishes, skips, unreadable mutations and parcels: nothing of them outlives an erasure."""
    made = await a_round(fresh_db, "premium", "economy", keys=load_keys(settings.data))
    premium = made.consignments["premium"]
    await _asked_by_the_customer(fresh_db, client, made)
    await _told_by_the_driver(fresh_db, client, settings, made)
    async with fresh_db.begin() as tx:
        await tx.execute(
            update(Parcel)
            .where(col(Parcel.consignment_id) == premium)
            .values(description=f"ring for {WORD}")
        )
    async with fresh_db.snapshot() as tx:
        sealed = [bytes(leaf) for leaf in await tx.scalars(select(col(AuditEntry.leaf)))]
    assert not any(WORD.encode() in leaf for leaf in sealed)
    kept = ["audit_opening", "inbox_item", "mutation", "parcel", "stop_event"]
    assert await _tables_with(fresh_db, WORD) == kept
    asked = {"consignment_id": str(premium), "basis": "asked for by edgar poe, +14105550142"}
    erased = await client.post("/console/v1/privacy/erasures", json=asked, headers=clerk.headers)
    assert erased.status_code == 200, erased.text
    assert await _tables_with(fresh_db, WORD) == []
    assert await _tables_with(fresh_db, "edgar poe") == []
    assert "audit_entry" not in await _tables_with(fresh_db, "4105550142")
    assert (await _stored(fresh_db, premium)).content_hash == b""
    assert (await _stored(fresh_db, made.consignments["economy"])).content_hash != b""


def _picture() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((320, 240), 60).save(out, "JPEG")
    return out.getvalue()


async def test_a_photo_that_comes_after_the_erasure_is_not_kept(
    fresh_db: Database, client: Client, clerk: Somebody, settings: Settings
) -> None:
    """The phone is told that it is done with it, the log knows it, and nobody has the picture."""
    made = await a_round(fresh_db, "standard", keys=load_keys(settings.data))
    phone, content = await a_phone(fresh_db, settings, made.driver), _picture()
    sha256 = hashlib.sha256(content).hexdigest()
    photo = {"sha256": sha256, "kind": "photo", "size": len(content), "media_type": "image/jpeg"}
    body = {"method": "safe_place", "parcels": []}
    said = {"id": str(uuid4()), "n": 1, "kind": "stop.delivered", "kind_version": 1, "body": body}
    said |= {"stop_id": str(made.stops["standard"]), "evidence": [photo]}
    reply = await client.post("/driver/v1/sync", json={"mutations": [said]}, headers=phone.headers)
    assert reply.json()["evidence_wanted"] == [sha256]
    asked = {"consignment_id": str(made.consignments["standard"]), "basis": "request"}
    await client.post("/console/v1/privacy/erasures", json=asked, headers=clerk.headers)
    named = {"sha256": sha256, "kind": "photo", "media_type": "image/jpeg"}
    pairs = (f"{name} {b64encode(value.encode()).decode()}" for name, value in named.items())
    tus = {"Upload-Length": str(len(content)), "Upload-Metadata": ",".join(pairs)}
    tus |= {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    sent = await client.post("/driver/v1/evidence", content=content, headers=phone.headers | tus)
    assert (sent.status_code, sent.headers["upload-offset"]) == (201, str(len(content)))
    assert await open_blobs(settings).size(sha256) is None
    async with fresh_db.snapshot() as tx:
        row = (await tx.scalars(select(Evidence))).one()
    assert (row.sha256, row.facts, row.erased_at is not None) == (sha256, {}, True)
    reply = await client.post("/driver/v1/sync", json={}, headers=phone.headers)
    assert reply.json()["evidence_wanted"] == []
