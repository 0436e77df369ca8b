"""What left a manifest is told for a month, or until every phone knows; then come snapshots."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import func, select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.dispatch.boards import drop_tombstones
from backend.domain.people import SYSTEM
from backend.identity import access
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store import feed
from backend.store.database import Database, Tx, moment
from backend.tables.devices import Device
from backend.tables.scopes import Feed
from backend.tables.stops import Stop
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_phone, calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@dataclass
class Phone:
    """A phone that keeps a base by pulling."""

    client: AsyncTestClient[Litestar]
    keys: Keys
    clock: FakeClock
    device: UUID
    cursor: str | None = None
    stops: set[str] = field(default_factory=set)

    async def sync(self) -> Json:
        """Pull once and apply it; a token is never older than its use."""
        token = access.issue(self.keys, self.device, self.clock.now()).token
        answer = await self.client.post(
            "/driver/v1/sync",
            content=json.dumps({"cursor": self.cursor}).encode(),
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        if told["reset"]:
            self.stops = set()
        self.stops |= {put["id"] for put in told["puts"] if put["type"] == "stop"}
        self.stops -= {gone["id"] for gone in told["removes"]}
        self.cursor = told["cursor"]
        return told


@dataclass
class World:
    """A round, its driver's phones, and the hands of the office."""

    db: Database
    clock: FakeClock
    round: Round
    one: Phone
    two: Phone

    @property
    def tombs(self) -> str:
        """The driver's scope."""
        return feed.driver_scope(self.round.driver)

    async def withdraw(self, segment: str) -> str:
        """Take a stop off the manifest."""
        stop = self.round.stops[segment]
        async with self.db.begin() as tx:
            off: dict[str, object] = {"manifest_driver_id": None}
            await record(tx, SYSTEM, Event("stop.withdrawn", Stop, stop, off))
        return str(stop)

    async def broom(self) -> int:
        """Let the timetable drop what it may; return how many tombstones are left."""
        await drop_tombstones(self.db, _nobody_asks)
        query = select(func.count()).where(col(Feed.scope) == self.tombs, col(Feed.gone))
        async with self.db.snapshot() as tx:
            return await tx.scalar(query) or 0


async def _nobody_asks(_tx: Tx) -> None:
    """A fence that lets everybody pass."""


@pytest.fixture
def settings(fresh_pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(fresh_pg_url, tmp_path)


@pytest.fixture
async def world(fresh_db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[World]:
    """A driver with four stops and two phones, both of which have just synced."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    made = await a_round(fresh_db, keys=keys)
    other = await a_phone(fresh_db, settings, made.driver)
    async with calling(settings, clock) as client:
        phones = [Phone(client, keys, clock, id_) for id_ in (made.device, other.id)]
        for phone in phones:
            await phone.sync()
        yield World(fresh_db, clock, made, *phones)


async def test_a_phone_that_was_away_for_forty_days_begins_anew(world: World) -> None:
    """The tombstone it missed is gone after a month, so it is given what is there now."""
    gone = await world.withdraw("economy")
    world.clock.advance(days=29)
    assert await world.broom() == 1
    world.clock.advance(days=11)
    assert await world.broom() == 0
    told = await world.one.sync()
    assert told["reset"]
    assert gone not in world.one.stops
    assert world.one.stops == {str(s) for s in world.round.stops.values()} - {gone}
    assert not (await world.one.sync())["reset"]


async def test_what_every_phone_has_seen_is_dropped_at_once(world: World) -> None:
    """Both phones say by their cursor that they know: the tombstone serves nobody any more."""
    gone = await world.withdraw("economy")
    for phone in (world.one, world.two):
        assert await world.broom() == 1
        assert [g["id"] for g in (await phone.sync())["removes"]] == [gone]
    assert await world.broom() == 1  # told, but perhaps not arrived
    for phone in (world.one, world.two):
        world.clock.advance(minutes=2)
        assert not (await phone.sync())["reset"]
    assert await world.broom() == 0
    for phone in (world.one, world.two):
        assert not (await phone.sync())["reset"]
        assert gone not in phone.stops


async def test_a_revoked_phone_is_not_waited_for(world: World) -> None:
    """Who may not pull any more keeps no tombstone alive."""
    await world.withdraw("economy")
    await world.one.sync()
    world.clock.advance(minutes=2)
    await world.one.sync()
    assert await world.broom() == 1
    async with world.db.begin() as tx:
        gone = {"revoked_at": moment(tx)}
        await record(tx, SYSTEM, Event("device.revoked", Device, world.two.device, gone))
    assert await world.broom() == 0
    assert not (await world.one.sync())["reset"]


async def test_a_phone_set_back_to_an_old_base_begins_anew(world: World) -> None:
    """A restored phone may hold less than it once did: the floor knows, whatever it told before."""
    old, stops = world.one.cursor, set(world.one.stops)
    gone = await world.withdraw("economy")
    for phone in (world.one, world.two):
        await phone.sync()
        world.clock.advance(minutes=2)
        await phone.sync()
    assert await world.broom() == 0
    world.one.cursor, world.one.stops = old, stops
    assert (await world.one.sync())["reset"]
    assert gone not in world.one.stops
