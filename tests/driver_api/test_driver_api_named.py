"""Every file that an event names is asked for, counts if the event does, and goes with its stop."""

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.blobs import open_blobs
from backend.domain.people import SYSTEM, Role
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store.database import Database, moment
from backend.store.dispatch import assign
from backend.tables.devices import Device
from backend.tables.inbox import InboxItem
from backend.tables.stops import Stop
from tests.driver_api.pictures import a_picture
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.phones import Phone, a_phone, calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
Client = AsyncTestClient[Litestar]
SAFE_PLACE: Json = {"method": "safe_place", "parcels": []}


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """Its keys."""
    return load_keys(settings.data, log_name=settings.log_name)


@pytest.fixture
async def client(settings: Settings, clock: FakeClock) -> AsyncIterator[Client]:
    """The application."""
    async with calling(settings, clock) as opened:
        yield opened


@dataclass
class Driver:
    """A driver with a phone and a stop at which a safe place wants a photo."""

    client: Client
    phone: Phone
    made: Round
    n: int = 0
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def stop(self) -> UUID:
        """The stop."""
        return self.made.stops["standard"]

    def photo(self) -> str:
        """Take a photo; return its hash."""
        content = a_picture()
        sha256 = hashlib.sha256(content).hexdigest()
        self.files[sha256] = content
        return sha256

    def says(self, kind: str, body: Json, *photos: str, **more: object) -> Json:
        """Number a mutation about the stop that names photos."""
        self.n += 1
        named = [
            {"sha256": one, "kind": "photo", "media_type": "image/jpeg", "size": size}
            for one, size in ((photo, len(self.files[photo])) for photo in photos)
        ]
        made = {"id": str(uuid4()), "n": self.n, "kind": kind, "kind_version": 1}
        return {**made, "stop_id": str(self.stop), "evidence": named, "body": body, **more}

    async def sync(self, *said: Json) -> Json:
        """Push; return the reply."""
        asked = {"mutations": list(said)}
        answer = await self.client.post("/driver/v1/sync", json=asked, headers=self.phone.headers)
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply

    async def upload(self, *photos: str) -> None:
        """Send photos at once."""
        for one in photos:
            said = {"sha256": one, "kind": "photo", "media_type": "image/jpeg"}
            pairs = [f"{name} {b64encode(word.encode()).decode()}" for name, word in said.items()]
            tus = {"Upload-Length": str(len(self.files[one])), "Upload-Metadata": ",".join(pairs)}
            tus |= {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
            answer = await self.client.post(
                "/driver/v1/evidence", content=self.files[one], headers=self.phone.headers | tus
            )
            assert answer.status_code == 201, answer.text


@pytest.fixture
async def driver(db: Database, client: Client, settings: Settings, keys: Keys) -> Driver:
    """A driver on a released route."""
    made = await a_round(db, "standard", "economy", keys=keys)
    return Driver(client, await a_phone(db, settings, made.driver), made)


@dataclass
class Office:
    """Compliance, and the store of files."""

    client: Client
    clerk: Somebody
    settings: Settings

    async def erase(self, made: Round, segment: str = "standard") -> int:
        """Erase what there is about a stop's goods; return how many files went."""
        asked = {"consignment_id": str(made.consignments[segment]), "basis": "request"}
        answer = await self.client.post(
            "/console/v1/privacy/erasures", json=asked, headers=self.clerk.headers
        )
        assert answer.status_code == 200, answer.text
        erased: int = answer.json()["evidence"]
        return erased

    async def left(self, *photos: str) -> set[str]:
        """Return those whose bytes are still there."""
        blobs = open_blobs(self.settings)
        return {one for one in photos if await blobs.size(one) is not None}


@pytest.fixture
async def office(db: Database, client: Client, settings: Settings) -> Office:
    """Compliance of this installation."""
    return Office(client, await a_person(db, client, Role.COMPLIANCE), settings)


async def proof_of(db: Database, stop_id: UUID) -> str:
    """Read a stop's proof."""
    async with db.snapshot() as tx:
        return (await tx.get_one(Stop, stop_id)).proof


def outcomes(reply: Json) -> list[tuple[str, str | None]]:
    """What became of each mutation."""
    return [(receipt["outcome"], receipt["code"]) for receipt in reply["receipts"]]


async def test_what_any_event_names_is_asked_for_and_goes(driver: Driver, office: Office) -> None:
    """Files of every kind of event at a stop are wanted, and none outlives the erasure."""
    photos = [driver.photo() for _ in range(7)]
    scan, skip = {"barcode": "P-1", "purpose": "deliver"}, {"reason": "later"}
    reply = await driver.sync(
        driver.says("stop.departed", {}, photos[0]),
        driver.says("stop.skipped", skip, photos[1]),
        driver.says("stop.arrived", {}, photos[2]),
        driver.says("stop.noted", {"text": "a dog"}, photos[3]),
        driver.says("parcel.scanned", scan, photos[4]),
        driver.says("code.presented", {"code": "000000"}, photos[5]),
        driver.says("stop.delivered", SAFE_PLACE, photos[6], photos[3]),
    )
    assert {outcome for outcome, _ in outcomes(reply)} <= {"applied", "recorded"}
    assert reply["evidence_wanted"] == sorted(photos)
    await driver.upload(*photos)
    assert (await driver.sync())["evidence_wanted"] == []
    assert await office.left(*photos) == set(photos)
    assert await office.erase(driver.made) == 7
    assert await office.left(*photos) == set()


async def test_a_photo_of_the_arrival_proves_the_delivery(driver: Driver, db: Database) -> None:
    """Which of his events at the visit names it does not matter."""
    photo = driver.photo()
    arrived = driver.says("stop.arrived", {}, photo)
    reply = await driver.sync(arrived, driver.says("stop.delivered", SAFE_PLACE))
    assert reply["receipts"][1]["stop"]["proof"] == "awaited"
    await driver.upload(photo)
    assert await proof_of(db, driver.stop) == "accepted"


@pytest.mark.parametrize(
    ("kind", "body"),
    [("stop.arrived", {}), ("stop.noted", {"text": "by the gate"}), ("stop.departed", {})],
)
async def test_what_comes_after_the_visit_with_its_photo_proves_at_once(
    driver: Driver, kind: str, body: Json
) -> None:
    """The bytes are there already: with the event that names them the proof is complete."""
    photo = driver.photo()
    await driver.upload(photo)
    reply = await driver.sync(driver.says("stop.delivered", SAFE_PLACE))
    assert reply["receipts"][0]["stop"]["proof"] == "awaited"
    reply = await driver.sync(driver.says(kind, body, photo))
    assert reply["receipts"][0]["stop"]["proof"] == "accepted"
    assert reply["evidence_wanted"] == []


async def test_a_late_correction_is_asked_for_its_files(
    driver: Driver, office: Office, db: Database, clock: FakeClock
) -> None:
    """It is recorded, so its photo counts; the signature in what it becomes is a file, too."""
    await driver.sync(first := driver.says("stop.delivered", SAFE_PLACE))
    clock.advance(minutes=5)
    photo, signed = driver.photo(), driver.photo()
    becomes = {"method": "neighbour", "parcels": [], "signature": {"sha256": signed.upper()}}
    body = {"corrects": first["id"], "reason": "it rained"}
    body |= {"becomes": {"kind": "stop.delivered", "body": becomes}}
    reply = await driver.sync(driver.says("stop.corrected", body, photo))
    assert outcomes(reply) == [("recorded", "correction_late")]
    assert reply["evidence_wanted"] == sorted([photo, signed])
    await driver.upload(photo, signed)
    assert await proof_of(db, driver.stop) == "accepted"
    assert await office.erase(driver.made) == 2
    assert await office.left(photo, signed) == set()


async def test_what_was_rejected_proves_nothing_and_goes_all_the_same(
    driver: Driver, office: Office, db: Database
) -> None:
    """Nobody asks for its file, no proof counts it, and the erasure finds it."""
    photos = [driver.photo() for _ in range(3)]
    becomes = {"kind": "stop.failed", "body": {"reason": "closed"}}
    wrong: Json = {"corrects": str(uuid4()), "reason": "?", "becomes": becomes}
    await driver.upload(photos[0])
    reply = await driver.sync(
        driver.says("stop.failed", {"reason": "bored"}, photos[0]),
        driver.says("stop.delivered", SAFE_PLACE),
        driver.says("stop.corrected", wrong, photos[1]),
        driver.says("stop.skipped", {}, photos[2]),
    )
    codes = ["reason_unknown", None, "nothing_to_correct", "plan_newer"]
    assert [code for _, code in outcomes(reply)] == codes
    assert reply["receipts"][1]["stop"]["proof"] == "awaited"
    assert reply["evidence_wanted"] == []
    await driver.upload(*photos[1:])
    assert await proof_of(db, driver.stop) == "awaited"
    assert await office.erase(driver.made) == 3
    assert await office.left(*photos) == set()


async def test_the_file_of_what_could_not_be_taken_goes_with_its_stop(
    driver: Driver, office: Office
) -> None:
    """A body nobody can read, another content under a number: the files go, late ones too."""
    photos = [driver.photo() for _ in range(3)]
    await driver.upload(photos[0])
    fork = driver.says("stop.noted", {"text": "one"})
    broken = driver.says("stop.delivered", {"method": "thrown", "parcels": []}, photos[0])
    other = fork | {"body": {"text": "two"}, "evidence": broken["evidence"]}
    other["evidence"] = [{**broken["evidence"][0], "sha256": photos[1]}]
    late = driver.says("stop.delivered", {"method": "flung", "parcels": []}, photos[2])
    reply = await driver.sync(fork, broken, other, late)
    codes = [None, "malformed", "fork", "malformed"]
    assert [code for _, code in outcomes(reply)] == codes
    assert reply["evidence_wanted"] == []
    await driver.upload(photos[1])
    assert await office.erase(driver.made) == 2
    await driver.upload(photos[2])
    assert await office.left(*photos) == set()


async def test_a_rejected_event_elsewhere_keeps_nothing(driver: Driver, office: Office) -> None:
    """What shows one customer's door goes with him, though a rejected event names it elsewhere."""
    photo = driver.photo()
    elsewhere = {"stop_id": str(driver.made.stops["economy"])}
    reply = await driver.sync(
        driver.says("stop.failed", {"reason": "bored"}, photo, **elsewhere),
        driver.says("stop.delivered", SAFE_PLACE, photo),
    )
    assert reply["evidence_wanted"] == [photo]
    await driver.upload(photo)
    assert await office.erase(driver.made, "economy") == 0
    assert await office.left(photo) == {photo}
    assert await office.erase(driver.made) == 1
    assert await office.left(photo) == set()


async def test_what_a_person_takes_over_counts_then(driver: Driver, db: Database) -> None:
    """An act of a revoked phone proves nothing until somebody has taken it over."""
    photo = driver.photo()
    await driver.upload(photo)
    await driver.sync(driver.says("stop.delivered", SAFE_PLACE))
    async with db.begin() as tx:
        gone = Event("device.revoked", Device, driver.phone.id, {"revoked_at": moment(tx)})
        await record(tx, SYSTEM, gone)
    reply = await driver.sync(driver.says("stop.noted", {"text": "by the gate"}, photo))
    assert outcomes(reply) == [("quarantined", "device_revoked")]
    assert await proof_of(db, driver.stop) == "awaited"
    async with db.snapshot() as tx:
        of_phone = col(InboxItem.device_id) == driver.phone.id
        item = (await tx.scalars(select(InboxItem).where(of_phone))).one()
    person = await a_person(db, driver.client, Role.SUPERVISOR, driver.made.depot)
    accepted = await driver.client.post(
        f"/console/v1/inbox/{item.id}/resolve",
        json={"action": "accepted", "note": "seen"},
        headers=person.headers,
    )
    assert accepted.status_code == 200, accepted.text
    assert await proof_of(db, driver.stop) == "accepted"


async def test_another_drivers_photo_proves_nothing(
    driver: Driver, db: Database, settings: Settings, keys: Keys
) -> None:
    """Who had the stop before photographed it; whoever delivers there shows his own."""
    before, own = driver.photo(), driver.photo()
    await driver.sync(driver.says("stop.arrived", {}, before))
    await driver.upload(before)
    taker = replace(driver, made=await a_round(db, "economy", keys=keys), n=0)
    taker.made.stops["standard"] = driver.stop
    taker.phone = await a_phone(db, settings, taker.made.driver)
    async with db.begin() as tx:
        await assign(tx, taker.made.driver, [driver.stop], moment(tx))
        to = {"manifest_driver_id": taker.made.driver, "route_id": taker.made.route, "sequence": 9}
        await record(tx, SYSTEM, Event("stop.reassigned", Stop, driver.stop, to))
    reply = await taker.sync(taker.says("stop.delivered", SAFE_PLACE))
    assert reply["receipts"][0]["stop"]["proof"] == "awaited"
    reply = await driver.sync(driver.says("stop.noted", {"text": "mine"}, before))
    assert await proof_of(db, driver.stop) == "awaited"
    await taker.upload(own)
    reply = await taker.sync(taker.says("stop.noted", {"text": "by the gate"}, own))
    assert reply["receipts"][0]["stop"]["proof"] == "accepted"
