"""The log over HTTP, erasure and holds: who may, what comes back, and that it still verifies."""

import hashlib
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import text

from backend.audit import verify as v
from backend.audit.record import Event, record
from backend.blobs import open_blobs, read_bytes
from backend.domain.people import SYSTEM, Role
from backend.ids import new_id
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database, moment
from backend.tables.evidence import Evidence, EvidenceRef
from backend.tables.mutations import Mutation
from backend.tables.stops import Stop
from tests.audit.bundles import check
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.phones import a_phone, calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

AUDIT = "/console/v1/audit"
PRIVACY = "/console/v1/privacy"
PERIOD = {"from": "2026-11-01T00:00:00.000Z", "to": "2026-12-01T00:00:00.000Z"}
Client = AsyncTestClient[Litestar]


@pytest.fixture
def settings(fresh_pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own: a log is about everything in its database."""
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


async def a_photo(db: Database, settings: Settings, made: Round, segment: str) -> tuple[str, bytes]:
    """Keep a verified photo of a visit, and say so as the evidence API does."""
    content = b"photo of " + made.stops[segment].bytes
    sha256 = hashlib.sha256(content).hexdigest()
    path = settings.data / "fresh"
    path.write_bytes(content)
    await open_blobs(settings).put_file(sha256, path, "image/jpeg")
    async with db.begin() as tx:
        values = {
            "sha256": sha256,
            "size": len(content),
            "media_type": "image/jpeg",
            "stop_id": made.stops[segment],
            "verified_at": moment(tx),
            "driver_id": made.driver,
            "kind": "photo",
            "facts": {"faces": 1},
        }
        event = Event(
            "evidence.verified", Evidence, new_id(), values, evidence=(sha256,), create=True
        )
        await record(tx, SYSTEM, event)
        # As a device sent it, with a name in it.
        tx.add(
            Mutation(
                device_id=made.device,
                driver_id=made.driver,
                n=1,
                numbered=True,
                id=new_id(),
                hash=hashlib.sha256(content).digest(),
                raw=b'{"recipient": "Virginia Clemm"}',
                kind="stop.delivered",
                stop_id=made.stops[segment],
                outcome="applied",
                receipt={},
                received_at=moment(tx),
            )
        )
        tx.add(
            EvidenceRef(
                mutation_id=new_id(),
                sha256=sha256,
                stop_id=made.stops[segment],
                driver_id=made.driver,
                kind="photo",
                size=len(content),
                media_type="image/jpeg",
            )
        )
    return sha256, content


async def delivered(db: Database, stop: UUID) -> None:
    """Deliver a stop to somebody with a name."""
    async with db.begin() as tx:
        change = {"state": "delivered", "recipient": "Virginia Clemm"}
        await record(tx, SYSTEM, Event("stop.delivered", Stop, stop, change))


async def test_a_bundle_over_http_verifies(
    client: Client, clerk: Somebody, fresh_db: Database, settings: Settings, tmp_path: Path
) -> None:
    """Key, checkpoint and bundle from the API fit together, files included."""
    made = await a_round(fresh_db)
    older = await client.get(f"{AUDIT}/checkpoint", headers=clerk.headers)
    assert older.headers["content-type"] == "text/plain; charset=utf-8"
    key = (await client.get(f"{AUDIT}/key", headers=clerk.headers)).content
    assert key.endswith(b"\n")
    await delivered(fresh_db, made.stops["premium"])
    sha256, _ = await a_photo(fresh_db, settings, made, "premium")
    since = int(older.text.splitlines()[1])
    asked = {**PERIOD, "since": since, "evidence": True}
    answer = await client.post(f"{AUDIT}/exports", json=asked, headers=clerk.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert int(answer.headers["content-length"]) == len(answer.content)
    report = check(tmp_path, answer.content, key, older.content)
    assert report.code == v.OK, report.text
    assert report.entries == report.tree_size == since + 2
    names = zipfile.ZipFile(BytesIO(answer.content)).namelist()
    assert names == [*v.MEMBERS, f"evidence/{sha256}"]


async def test_an_export_that_cannot_be(client: Client, clerk: Somebody) -> None:
    """Wrong periods and unknown tree sizes are 400 and say where."""
    cases: list[tuple[dict[str, object], str]] = [
        ({"from": "yesterday", "to": "2026-12-01T00:00:00Z"}, "/from"),
        ({"from": "2026-12-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "/to"),
        ({**PERIOD, "since": 1_000_000}, "/since"),
        ({**PERIOD, "since": -1}, "/since"),
        ({"from": "2026-12-01T00:00:00Z"}, "/to"),
    ]
    for body, pointer in cases:
        answer = await client.post(f"{AUDIT}/exports", json=body, headers=clerk.headers)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_entries_are_searched_and_paged(
    client: Client, clerk: Somebody, fresh_db: Database, clock: FakeClock
) -> None:
    """Entries are found by entity, actor and period; pages neither repeat nor leave out."""
    made = await a_round(fresh_db)
    for _ in range(30):
        clock.advance(minutes=1)
        await a_round(fresh_db, "economy")

    async def listed(**asked: str) -> list[dict[str, object]]:
        items, after = [], None
        while True:
            params = asked | ({"after": after} if after else {})
            answer = await client.get(f"{AUDIT}/entries", params=params, headers=clerk.headers)
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            after = answer.json()["next"]
            if after is None:
                return items

    everything = await listed()
    assert len(everything) > 200
    assert [item["index"] for item in everything] == sorted(item["index"] for item in everything)  # type: ignore[type-var]
    stop = str(made.stops["premium"])
    for entity in (stop, f"stop:{stop}"):
        [item] = await listed(entity=entity)
        assert (item["entity"], item["action"], item["n"]) == ("stop", "stop.released", 1)
        assert item["change"]["state"] == [None, "released"]  # type: ignore[index]
    assert {item["entity"] for item in await listed(entity="route")} == {"route"}
    assert len(await listed(actor="system")) == len(everything)
    assert await listed(actor=str(new_id())) == []
    later = await listed(**{"from": "2026-11-23T08:30:00Z", "to": "2026-11-23T08:31:00Z"})
    assert {item["at"] for item in later} == {"2026-11-23T08:30:00.000Z"}
    wrong = await client.get(f"{AUDIT}/entries", params={"after": "x"}, headers=clerk.headers)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "cursor_invalid")


async def test_who_may(client: Client, fresh_db: Database) -> None:
    """Entries, bundles and erasure are for compliance and administrators; nobody else."""
    supervisor = await a_person(fresh_db, client, Role.SUPERVISOR)
    admin = await a_person(fresh_db, client, Role.ADMIN)
    calls = [
        ("GET", f"{AUDIT}/entries", None),
        ("POST", f"{AUDIT}/exports", PERIOD),
        ("POST", f"{PRIVACY}/erasures", {"contact": "+1", "basis": "request"}),
        ("POST", f"{PRIVACY}/holds", {"consignment_id": str(new_id())}),
        ("GET", f"{PRIVACY}/holds", None),
    ]
    for method, path, body in calls:
        refused = await client.request(method, path, json=body, headers=supervisor.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "role_forbidden"), path
        allowed = await client.request(method, path, json=body, headers=admin.headers)
        assert allowed.status_code in {200, 404}, path
        assert (await client.request(method, path, json=body)).status_code == 401


async def _words_left(db: Database, *words: str) -> list[str]:
    """Return the tables in which any of the words still stands."""
    found = []
    async with db.snapshot() as tx:
        tables = (
            await tx.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        ).all()
        for table in tables:
            rows = repr((await tx.execute(text(f'TABLE "{table}"'))).all())
            found += [f"{table}: {word}" for word in words if word in rows]
    return found


async def test_erasure_leaves_nothing_and_the_log_verifies(
    client: Client, clerk: Somebody, fresh_db: Database, settings: Settings, tmp_path: Path
) -> None:
    """After erasure no table holds the person's data, the file is gone, and all bundles fit."""
    made = await a_round(fresh_db, "premium")
    await delivered(fresh_db, made.stops["premium"])
    await a_photo(fresh_db, settings, made, "premium")
    key = (await client.get(f"{AUDIT}/key", headers=clerk.headers)).content
    before = await client.post(f"{AUDIT}/exports", json=PERIOD, headers=clerk.headers)
    assert b"Edgar Poe" in before.content
    consignment = str(made.consignments["premium"])
    asked = {"consignment_id": consignment, "basis": "GDPR article 17"}
    answer = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["erased"] == [consignment]
    assert answer.json()["openings"] == 2
    words = ("Edgar Poe", "+14105550142", "203 N Amity", "21223", "Virginia Clemm", "39.293")
    assert await _words_left(fresh_db, *words) == []
    after = await client.post(f"{AUDIT}/exports", json=PERIOD, headers=clerk.headers)
    assert not any(word.encode() in after.content for word in words)
    assert b"privacy.erased" in after.content
    for bundle in (before, after):
        report = check(tmp_path, bundle.content, key)
        assert report.code == v.OK, report.text
    again = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert again.json() == {"erased": [consignment], "held": [], "openings": 0, "evidence": 0}


async def test_a_hold_forbids_erasure_until_it_is_lifted(
    client: Client, clerk: Somebody, fresh_db: Database, settings: Settings
) -> None:
    """What is held stays, files too; the others of the same contact go; lifting opens the way."""
    made = await a_round(fresh_db, "premium", "economy")
    held, free = str(made.consignments["premium"]), str(made.consignments["economy"])
    sha256, content = await a_photo(fresh_db, settings, made, "premium")
    blobs = open_blobs(settings)
    placed = await client.post(
        f"{PRIVACY}/holds", json={"consignment_id": held, "reason": "claim"}, headers=clerk.headers
    )
    assert placed.status_code == 201, placed.text
    asked = {"consignment_id": held, "basis": "request"}
    refused = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "consignment_held")
    by_contact = await client.post(
        f"{PRIVACY}/erasures",
        json={"contact": "(410) 555-0142", "basis": "request"},
        headers=clerk.headers,
    )
    assert (by_contact.json()["erased"], by_contact.json()["held"]) == ([free], [held])
    assert await read_bytes(blobs, sha256) == content
    hold = placed.json()["id"]
    for _ in range(2):
        lifted = await client.post(f"{PRIVACY}/holds/{hold}/lift", headers=clerk.headers)
        assert lifted.json()["lifted_at"] is not None
    listed = await client.get(f"{PRIVACY}/holds", headers=clerk.headers)
    assert [item["id"] for item in listed.json()["items"]] == [hold]
    done = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert (done.json()["erased"], done.json()["evidence"]) == ([held], 1)
    assert await blobs.size(sha256) is None


async def test_an_erasure_whose_file_cannot_go_is_done_by_asking_again(
    client: Client, clerk: Somebody, fresh_db: Database, settings: Settings
) -> None:
    """While the store fails nothing is erased, so that the contact still leads to the file."""
    made = await a_round(fresh_db, "premium")
    sha256, _ = await a_photo(fresh_db, settings, made, "premium")
    [kept] = settings.data.rglob(sha256)
    kept.unlink()
    kept.mkdir()  # what cannot be unlinked
    asked = {"contact": "+14105550142", "basis": "request"}
    failed = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert (failed.status_code, failed.json()["code"]) == (503, "storage_unavailable")
    kept.rmdir()
    kept.write_bytes(b"as before")
    done = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert done.json()["erased"] == [str(made.consignments["premium"])]
    assert not kept.exists()


async def test_an_erasure_that_cannot_be(client: Client, clerk: Somebody) -> None:
    """Exactly one of consignment and contact, and a basis; unknown ids are 404."""
    cases: list[tuple[dict[str, str], int]] = [
        ({"basis": "request"}, 400),
        ({"basis": "request", "contact": "+1", "consignment_id": "x"}, 400),
        ({"consignment_id": "x", "basis": "request"}, 404),
        ({"consignment_id": "00000000-0000-7000-8000-000000000000", "basis": "request"}, 404),
        ({"contact": "+1"}, 400),
    ]
    for body, status in cases:
        answer = await client.post(f"{PRIVACY}/erasures", json=body, headers=clerk.headers)
        assert answer.status_code == status, answer.text


async def test_after_erasure_every_page_still_answers(
    client: Client, clerk: Somebody, fresh_db: Database, settings: Settings
) -> None:
    """The customer's page, the lists, the timeline and the driver's phone live with the gap."""
    made = await a_round(fresh_db, "premium", keys=load_keys(settings.data))
    await a_photo(fresh_db, settings, made, "premium")
    stop, consignment = made.stops["premium"], str(made.consignments["premium"])
    phone = await a_phone(fresh_db, settings, made.driver)
    asked = {"consignment_id": consignment, "basis": "request"}
    erased = await client.post(f"{PRIVACY}/erasures", json=asked, headers=clerk.headers)
    assert erased.status_code == 200
    pages = [f"/t/{made.token('premium')}"]
    pages += [f"/console/v1/{path}" for path in ("consignments", f"stops/{stop}/timeline", "inbox")]
    for path in pages:
        answer = await client.get(path, headers=clerk.headers)
        assert answer.status_code == 200, (path, answer.text)
        assert "Edgar Poe" not in answer.text
        assert "+1410" not in answer.text
    synced = await client.post(
        "/driver/v1/sync", json={"cursor": None, "mutations": []}, headers=phone.headers
    )
    assert synced.status_code == 200, synced.text
    assert str(stop) in synced.text
    assert "Edgar Poe" not in synced.text
