"""Refresh tokens: each once, the same answer to the same call, and what a restore does to them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import delete, select, update
from sqlmodel import col

from backend.identity import refresh
from backend.identity.devices import issue_enrolment_code
from backend.keys import load_keys
from backend.settings import Settings
from backend.store import devices
from backend.store.database import Database
from backend.tables.devices import EnrolmentCode, RefreshToken
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_driver, calling, settings_for

pytestmark = pytest.mark.anyio


@dataclass
class Desk:
    """Where phones enrol and renew their tokens."""

    client: AsyncTestClient[Litestar]
    db: Database
    settings: Settings
    clock: FakeClock

    async def enrol(self) -> dict[str, Any]:
        """Enrol a phone of a new driver."""
        keys = load_keys(self.settings.data, log_name=self.settings.log_name)
        driver = await a_driver(self.db)
        async with self.db.begin() as tx:
            code, _ = await issue_enrolment_code(tx, keys, driver)
        about = {"platform": "ios", "model": "12", "app_version": "1"}
        answer = await self.client.post("/driver/v1/devices", json={"code": code, "device": about})
        assert answer.status_code == 201, answer.text
        given: dict[str, Any] = answer.json()
        return given

    async def renew(self, token: str, nonce: str = "n") -> str:
        """Trade a token; the next one, or the code of the refusal."""
        self.clock.advance(seconds=1)
        asked = {"refresh_token": token, "nonce": nonce}
        answer = await self.client.post("/driver/v1/tokens", json=asked)
        given: dict[str, str] = answer.json()
        return given["refresh_token"] if answer.status_code == 200 else given["code"]

    async def chain(self, token: str, length: int) -> list[str]:
        """Trade a token for the next, and so on; all of them, the first too."""
        chain = [token]
        for place in range(length):
            chain.append(await self.renew(chain[-1], f"n{place}"))
        return chain

    async def forget_since(self, device_id: str, generation: int) -> None:
        """Let the database stand where its backup was made: at this generation, unspent."""
        mine = col(RefreshToken.device_id) == UUID(device_id)
        newer = col(RefreshToken.generation) > generation
        newest = col(RefreshToken.generation) == generation
        async with self.db.begin() as tx:
            await tx.execute(delete(RefreshToken).where(mine, newer))
            unspent = update(RefreshToken).where(mine, newest).values(spent_at=None, nonce=None)
            await tx.execute(unspent)


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
async def desk(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Desk]:
    """The application, called from outside."""
    async with calling(settings, clock) as client:
        yield Desk(client, db, settings, clock)


async def test_the_same_call_gets_the_same_answer_for_ten_minutes(desk: Desk) -> None:
    """After that, and with another nonce at any time, it is a reuse that ends the family."""
    given = await desk.enrol()
    token = given["refresh_token"]
    following = await desk.renew(token)
    assert await desk.renew(token) == following
    desk.clock.advance(minutes=11)
    assert await desk.renew(token) == "refresh_reused"
    assert await desk.renew(following) == "refresh_reused"
    other = (await desk.enrol())["refresh_token"]
    await desk.renew(other)
    assert await desk.renew(other, "another") == "refresh_reused"


async def test_a_days_phones_need_no_code_after_a_restore(desk: Desk) -> None:
    """The database has lost five generations; the phone's newest token is believed all the same."""
    given = await desk.enrol()
    chain = await desk.chain(given["refresh_token"], 6)
    await desk.forget_since(given["device_id"], 2)
    following = await desk.renew(chain[-1], "after")
    assert following == await desk.renew(chain[-1], "after")
    assert await desk.renew(following) != "refresh_reused"


@pytest.mark.parametrize("first_to_come", [0, 1, 3])
async def test_a_thiefs_old_token_is_found_out_after_a_restore(
    desk: Desk, first_to_come: int
) -> None:
    """Whether it is one that the backup knew or one that was lost with it."""
    given = await desk.enrol()
    chain = await desk.chain(given["refresh_token"], 5)
    await desk.forget_since(given["device_id"], 2)
    stolen = chain[1 + first_to_come]
    robbed = await desk.renew(stolen, "thief")
    assert await desk.renew(chain[-1], "owner") == "refresh_reused"
    assert await desk.renew(robbed, "thief") in {"refresh_reused", "refresh_invalid"}


async def test_a_stolen_token_that_comes_after_its_owner_ends_the_family(desk: Desk) -> None:
    """The owner was believed first; then an older token of the lost time comes."""
    given = await desk.enrol()
    chain = await desk.chain(given["refresh_token"], 5)
    await desk.forget_since(given["device_id"], 2)
    following = await desk.renew(chain[-1], "owner")
    assert await desk.renew(chain[3], "thief") == "refresh_reused"
    assert await desk.renew(following) == "refresh_reused"


async def test_spent_tokens_and_codes_are_forgotten_and_a_reuse_still_found(desk: Desk) -> None:
    """Days later only the newest is kept; a forgotten one is told from a strange one."""
    given = await desk.enrol()
    chain = await desk.chain(given["refresh_token"], 3)
    desk.clock.advance(days=3)
    async with desk.db.begin() as tx:
        await devices.forget_tokens(tx, desk.clock.now())
        mine = select(RefreshToken).where(col(RefreshToken.device_id) == UUID(given["device_id"]))
        assert len((await tx.scalars(mine)).all()) == 1
        assert (await tx.scalars(select(EnrolmentCode))).all() == []
    assert await desk.renew(chain[1]) == "refresh_reused"
    assert await desk.renew(chain[-1]) == "refresh_reused"


async def test_a_forged_token_is_nobodys(desk: Desk) -> None:
    """Any bit changed, another installation's seal, and words are refused alike."""
    token = (await desk.enrol())["refresh_token"]
    strange = load_keys(desk.settings.data / "strange")
    says = refresh.read(load_keys(desk.settings.data), token)
    assert says is not None
    foreign = refresh.first(strange, says.device_id, says.family, says.issued_at + timedelta(1))
    turned = token[:10] + ("A" if token[10] != "A" else "B") + token[11:]
    for forged in (foreign, turned, "words", "ä", "A" * 103, token[:-4]):
        assert await desk.renew(forged) == "refresh_invalid"
    assert len(await desk.renew(token)) > 100
