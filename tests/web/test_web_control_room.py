"""The inbox, devices, evidence, alerts and nudges over HTTP."""

from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.audit.record import Event, record
from backend.blobs import open_blobs
from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Role
from backend.ids import new_id
from backend.settings import Settings
from backend.store import inbox as store
from backend.store.database import Database, moment
from backend.tables.evidence import Evidence, EvidenceRef
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]


async def asked(db: Database, made: Round, number: int = 0) -> None:
    """Open an item about a stop of the round."""
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=f"test:{made.route}:{number}",
            detail="delivered, and cancelled meanwhile",
            stop_id=made.stops["standard"],
        )


async def test_an_item_is_listed_and_resolved_twice_without_harm(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """The second answer is a 200 that changes nothing."""
    await asked(db, made)
    (item,) = (await client.get("/console/v1/inbox?state=open", headers=boss.headers)).json()[
        "items"
    ]
    assert item["kind"] == "conflict"
    assert item["stop_id"] == str(made.stops["standard"])
    assert "acknowledged" in item["actions"]
    path = f"/console/v1/inbox/{item['id']}/resolve"
    for note in ("seen by me", "and again"):
        body = {"action": "acknowledged", "note": note}
        answer = await client.post(path, headers=boss.headers, json=body)
        assert (answer.status_code, answer.json()["state"]) == (200, "resolved")
    left = await client.get("/console/v1/inbox?state=open", headers=boss.headers)
    assert left.json() == {"items": [], "next": None}
    odd = await client.post(path, headers=boss.headers, json={"action": "explode", "note": ""})
    assert odd.status_code == 400


async def test_the_inbox_comes_in_pages(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """Every item once, in order; a cursor that is not ours is 400."""
    for number in range(103):
        await asked(db, made, number)
    path = "/console/v1/inbox?state=open"
    first = (await client.get(path, headers=boss.headers)).json()
    rest = (await client.get(f"{path}&after={first['next']}", headers=boss.headers)).json()
    seen = [item["id"] for item in (*first["items"], *rest["items"])]
    assert (len(seen), len(set(seen)), rest["next"]) == (103, 103, None)
    for cursor in ("x", "%00", "W10", "WyJ4Il0", "é"):
        odd = await client.get(f"/console/v1/inbox?after={cursor}", headers=boss.headers)
        assert (odd.status_code, odd.json()["code"]) == (400, "cursor_invalid")
    odd = await client.get("/console/v1/inbox?state=x", headers=boss.headers)
    assert (odd.status_code, odd.json()["errors"][0]["pointer"]) == (400, "/state")


async def test_an_item_of_another_depot_is_not_there(
    client: Client, boss: Somebody, db: Database
) -> None:
    """Neither listed nor resolvable."""
    other = await a_round(db, "standard")
    await asked(db, other)
    admin = await a_person(db, client, Role.ADMIN)
    async with db.snapshot() as tx:
        (foreign,) = await store.items(tx, state=None, depots={other.depot}, after=None, limit=2)
    body = {"action": "acknowledged", "note": "x"}
    path = f"/console/v1/inbox/{foreign.id}/resolve"
    assert (await client.post(path, headers=boss.headers, json=body)).status_code == 404
    assert (await client.post(path, headers=admin.headers, json=body)).status_code == 200


async def test_a_code_enrols_a_phone_that_can_be_revoked(
    client: Client, boss: Somebody, made: Round
) -> None:
    """The code works once at the handset's door; the device is listed and then revoked."""
    path = f"/console/v1/drivers/{made.driver}/enrolment-codes"
    issued = await client.post(path, headers=boss.headers)
    assert issued.status_code == 201
    assert issued.json()["qr_svg"].startswith("<svg")
    device = {"platform": "android", "model": "P8", "app_version": "1.0"}
    body = {"code": issued.json()["code"], "device": device}
    phone = (await client.post("/driver/v1/devices", json=body)).json()
    assert phone["driver_id"] == str(made.driver)
    listed = (await client.get("/console/v1/devices", headers=boss.headers)).json()["items"]
    assert {phone["device_id"], str(made.device)} == {item["id"] for item in listed}
    revoke = f"/console/v1/devices/{phone['device_id']}/revoke"
    for _ in range(2):
        assert (await client.post(revoke, headers=boss.headers)).status_code == 200
    shut = await client.get(
        f"/driver/v1/have?ids={uuid4()}",
        headers={"Authorization": f"Bearer {phone['access_token']}"},
    )
    assert (shut.status_code, shut.json()["code"]) == (403, "device_revoked")


async def an_exhibit(db: Database, settings: Settings, made: Round, folder: Path) -> str:
    """Keep bytes that an event of the round's standard stop names."""
    data = b"\xff\xd8" + uuid4().bytes
    digest, mutation = sha256(data).hexdigest(), new_id()
    blobs = open_blobs(settings)
    await blobs.prepare()
    (folder / "upload").write_bytes(data)
    await blobs.put_file(digest, folder / "upload", "image/jpeg")
    stop, size = made.stops["standard"], len(data)
    change = {
        "sha256": digest,
        "size": size,
        "media_type": "image/jpeg",
        "kind": "photo",
        "driver_id": made.driver,
        "facts": {},
    }
    async with db.begin() as tx:
        change["verified_at"] = moment(tx)
        event = Event("evidence.verified", Evidence, new_id(), change, create=True)
        await record(tx, SYSTEM, event)
        tx.add(
            EvidenceRef(
                mutation_id=mutation,
                sha256=digest,
                stop_id=stop,
                driver_id=made.driver,
                kind="photo",
                size=size,
                media_type="image/jpeg",
            )
        )
    return digest


async def test_evidence_is_shown_to_those_who_may_see_the_stop(
    client: Client,
    boss: Somebody,
    db: Database,
    settings: Settings,
    made: Round,
    tmp_path: Path,
) -> None:
    """As an attachment that no browser takes for a page; to others it is not there."""
    digest = await an_exhibit(db, settings, made, tmp_path)
    answer = await client.get(f"/console/v1/evidence/{digest}", headers=boss.headers)
    assert answer.status_code == 200
    assert sha256(answer.content).hexdigest() == digest
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    stranger = await a_person(db, client, Role.SUPERVISOR, (await a_round(db)).depot)
    for name in (digest, "0" * 64, "..%2f..%2fetc%2fpasswd", digest.upper()):
        missing = await client.get(f"/console/v1/evidence/{name}", headers=stranger.headers)
        assert missing.status_code == 404


async def test_alerts_are_found_by_looking(
    client: Client, boss: Somebody, made: Round, clock: FakeClock
) -> None:
    """Nothing in the morning; in the evening every open stop is late."""
    quiet = await client.get("/console/v1/alerts", headers=boss.headers)
    assert quiet.json()["items"] == []
    clock.advance(hours=11)
    items = (await client.get("/console/v1/alerts", headers=boss.headers)).json()["items"]
    assert {item["stop_id"] for item in items if item["kind"] == "late"} == {
        str(stop) for stop in made.stops.values()
    }
