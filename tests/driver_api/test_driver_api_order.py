"""Bytes and the event that names them come in either order, and both end the same."""

import hashlib
import io
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from PIL import Image

from backend.identity import access
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.stops import Stop
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio


class Phone:
    """A driver's phone with four stops: it photographs and delivers."""

    def __init__(self, client: AsyncTestClient[Litestar], token: str, made: Round) -> None:
        out = io.BytesIO()
        Image.frombytes("RGB", (32, 24), os.urandom(2304)).resize((640, 480)).save(out, "JPEG")
        self.client, self.made, self.photo = client, made, out.getvalue()
        self.sha = hashlib.sha256(self.photo).hexdigest()
        self.headers = {"Authorization": f"Bearer {token}"}

    @property
    def stop(self) -> UUID:
        """The stop of the segment that wants a photo at a safe place."""
        return self.made.stops["standard"]

    async def deliver(self) -> dict[str, Any]:
        """Tell of a delivery that names the photo; return the receipt."""
        mutation = {
            "id": str(uuid4()),
            "n": 1,
            "kind": "stop.delivered",
            "kind_version": 1,
            "stop_id": str(self.stop),
            "base": 1,
            "policy_version": 1,
            "at": {"wall": "2026-11-23T07:59:00.000Z", "monotonic_ms": 1000, "boot": "b"},
            "fix": {"lat": 39.2930, "lon": -76.5866, "accuracy_m": 8, "mock": False},
            "evidence": [
                {
                    "sha256": self.sha,
                    "kind": "photo",
                    "size": len(self.photo),
                    "media_type": "image/jpeg",
                }
            ],
            "body": {"method": "safe_place", "parcels": [], "note": "behind the gate"},
        }
        answer = await self.client.post(
            "/driver/v1/sync", json={"mutations": [mutation]}, headers=self.headers
        )
        receipt: dict[str, Any] = answer.json()["receipts"][0]
        assert receipt["outcome"] == "applied", receipt
        return receipt

    async def upload(self, content: bytes | None = None) -> int:
        """Send the photo (or other bytes under its name) at once."""
        said = {"sha256": self.sha, "kind": "photo", "media_type": "image/jpeg"}
        pairs = [f"{name} {b64encode(value.encode()).decode()}" for name, value in said.items()]
        headers = {
            **self.headers,
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Length": str(len(self.photo)),
            "Upload-Metadata": ",".join(pairs),
        }
        answer = await self.client.post(
            "/driver/v1/evidence", content=content or self.photo, headers=headers
        )
        return answer.status_code


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
async def phone(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Phone]:
    """A phone on its round."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    made = await a_round(db, keys=keys)
    token = access.issue(keys, made.device, clock.now()).token
    async with calling(settings, clock) as client:
        yield Phone(client, token, made)


async def proof_of(db: Database, stop_id: UUID) -> str:
    """Read a stop's proof."""
    async with db.snapshot() as tx:
        return (await tx.get_one(Stop, stop_id)).proof


async def test_event_first(phone: Phone, db: Database) -> None:
    """A delivery awaits its photo; with the last byte the proof is accepted."""
    receipt = await phone.deliver()
    assert receipt["stop"]["proof"] == "awaited"
    assert await phone.upload() == 201
    assert await proof_of(db, phone.stop) == "accepted"


async def test_bytes_first(phone: Phone, db: Database) -> None:
    """A photo that is already here makes the delivery's proof accepted at once."""
    assert await phone.upload() == 201
    receipt = await phone.deliver()
    assert receipt["stop"]["proof"] == "accepted"
    assert await proof_of(db, phone.stop) == "accepted"


async def test_wrong_bytes_change_nothing_for_good(phone: Phone, db: Database) -> None:
    """Bytes that are not what was promised leave the proof open for the right ones."""
    await phone.deliver()
    wrong = bytes([phone.photo[0] ^ 1]) + phone.photo[1:]
    assert await phone.upload(wrong) == 460
    assert await proof_of(db, phone.stop) != "accepted"
    assert await phone.upload() == 201
    assert await proof_of(db, phone.stop) == "accepted"
