"""The feed: no committed change is ever missed by a reader that follows the counters."""

import asyncio
import random

import anyio
import pytest

from backend.store import feed
from backend.store.database import Database, settle
from tests.fixtures.waiting import until_somebody_waits

pytestmark = pytest.mark.anyio

SCOPES = ["driver:a", "driver:b"]
WRITERS, ROUNDS = 6, 25


class Reader:
    """Follows the cursors of both scopes and remembers the newest number of each entity."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.seen: dict[tuple[str, str], int] = {}
        self.at = dict.fromkeys(SCOPES, 0)

    async def read(self, scope: str) -> None:
        """Read one page."""
        async with self.db.snapshot() as tx:
            for change in await feed.since(tx, scope, self.at[scope], limit=5):
                self.seen[scope, change.entity_id] = change.v
                self.at[scope] = change.v

    async def follow(self, done: anyio.Event) -> None:
        """Read until told to stop, then to the end."""
        while not done.is_set():
            for scope in SCOPES:
                await self.read(scope)
        for scope in SCOPES * 40:
            await self.read(scope)


async def write(db: Database, writer: int) -> None:
    """Change a few entities, one in each transaction, in an order of the writer's own."""
    dice = random.Random(writer)
    for round_ in range(ROUNDS):
        async with db.begin() as tx:
            entity = f"{writer}-{dice.randrange(3)}"
            feed.touch(tx, dice.choice(SCOPES), "stop", entity, gone=round_ % 5 == 0)


async def test_concurrent_writers_lose_no_change_for_a_reader(db: Database) -> None:
    """Transactions that overlap and commit out of order are all seen, each with its last word."""
    reader, done = Reader(db), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.follow, done)
        async with anyio.create_task_group() as writers:
            for writer in range(WRITERS):
                writers.start_soon(write, db, writer)
        done.set()
    async with db.snapshot() as tx:
        for scope in SCOPES:
            newest = {c.entity_id: c.v for c in await feed.since(tx, scope, 0, limit=1000)}
            seen = {id_: v for (where, id_), v in reader.seen.items() if where == scope}
            assert seen == newest


async def test_changes_of_one_transaction_share_a_number_and_a_page(db: Database) -> None:
    """A page never splits them, even where they alone exceed its size."""
    async with db.begin() as tx:
        for entity in range(7):
            feed.touch(tx, "driver:page", "stop", str(entity))
    async with db.begin() as tx:
        feed.touch(tx, "driver:page", "stop", "after")
    async with db.snapshot() as tx:
        page = await feed.since(tx, "driver:page", 0, limit=3)
        rest = await feed.since(tx, "driver:page", page[-1].v, limit=3)
    assert (len(page), {change.v for change in page}) == (7, {1})
    assert [change.entity_id for change in rest] == ["after"]


async def test_a_rolled_back_transaction_bumps_nothing(db: Database) -> None:
    """No number without its change."""

    async def fail() -> None:
        async with db.begin() as tx:
            feed.touch(tx, "driver:undone", "stop", "x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with db.snapshot() as tx:
        assert await feed.version(tx, "driver:undone") == 0


async def test_whoever_begins_anew_is_spared_the_tombstones(db: Database) -> None:
    """A snapshot is as long as what is there, however much once was; its pages leave nobody out."""
    async with db.begin() as tx:
        feed.touch(tx, "driver:old", "reasons", "reasons")
    for day in range(3):
        async with db.begin() as tx:
            for entity in range(20):
                feed.touch(tx, "driver:old", "stop", f"{day}-{entity}", gone=day < 2)
    async with db.begin() as tx:
        feed.touch(tx, "driver:old", "stop", "2-0", gone=True)
    async with db.snapshot() as tx:
        everything, is_all = await feed.present(tx, "driver:old", limit=30)
        first, ends_here = await feed.present(tx, "driver:old", limit=10)
        rest = await feed.since(tx, "driver:old", first[-1].v, limit=100)
    assert (len(everything), is_all) == (20, True)
    assert ([change.entity_id for change in first], ends_here) == (["reasons"], False)
    assert {change.entity_id for change in rest if not change.gone} == {
        change.entity_id for change in everything[1:]
    }


async def test_a_counter_that_is_only_held_is_locked_in_its_place_among_the_others(
    db: Database,
) -> None:
    """A phone that changes another's scope alone, and holds its own, meets whoever raises both."""
    both = ["driver:held", "driver:raised"]
    async with db.begin() as tx:
        for scope in both:
            feed.touch(tx, scope, "stop", "taken over")

    async def phone_of_the_held() -> int:
        async with db.begin() as tx:
            feed.touch(tx, "driver:raised", "stop", "taken over")
            await settle(tx, holding="driver:held")
            return await feed.version(tx, "driver:held")

    async with db.begin() as tx:
        feed.touch(tx, "driver:held", "stop", "taken over")
        await settle(tx)
        phone = asyncio.create_task(phone_of_the_held())
        await until_somebody_waits(db)
        feed.touch(tx, "driver:raised", "stop", "taken over")
    assert await phone == 2
    async with db.snapshot() as tx:
        assert await feed.versions(tx, both) == {"driver:held": 2, "driver:raised": 3}
