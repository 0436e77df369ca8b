"""Pulling: whatever happens in whatever order, base and delta together are what a snapshot is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

import sync.pull
from backend.store import feed, tombstones
from backend.store.database import Database
from backend.tables.scopes import Feed, Scope
from handset.base import digest
from sync import cursor
from sync.pull import Digests, Pulled, held_at, pull
from tests.fixtures.visits import KEYS, Round, a_round

pytestmark = pytest.mark.anyio

Entity: TypeAlias = tuple[str, str]
SEGMENTS = ("premium", "standard", "business", "economy")


@dataclass(frozen=True)
class Change:
    """One transaction: entities by their place in the world, and whether each is gone."""

    touched: dict[int, bool]


@dataclass(frozen=True)
class Pull:
    """The phone asks for one page; its reply may be lost on the road."""

    lost: bool = False


@dataclass(frozen=True)
class Stale:
    """A reply that the phone had before arrives again, and is ignored: its cursor is not held."""


@dataclass(frozen=True)
class Begin:
    """The phone forgets its base."""


@dataclass(frozen=True)
class Drop:
    """Tombstones up to a part of the scope's history are dropped."""

    share: float


Step: TypeAlias = Change | Pull | Stale | Begin | Drop
STEPS = st.lists(
    st.one_of(
        st.builds(Change, st.dictionaries(st.integers(0, 6), st.booleans(), min_size=1)),
        st.builds(Pull, st.booleans()),
        st.builds(Pull),
        st.builds(Stale),
        st.builds(Begin),
        st.builds(Drop, st.floats(0, 1)),
    ),
    max_size=25,
)


@dataclass
class Phone:
    """A base, as the contract says that a phone keeps it."""

    db: Database
    world: Sequence[Entity]
    scope: str = field(default_factory=lambda: feed.driver_scope(uuid4()))
    epoch: UUID = field(default_factory=uuid4)
    digests: Digests = field(default_factory=Digests)
    cursor: str | None = None
    former: str | None = None
    base: dict[Entity, int] = field(default_factory=dict)

    async def ask(self, at: str | None) -> Pulled:
        """Make one pull, as the sync call does."""
        async with self.db.snapshot() as tx:
            scope = await tx.get(Scope, self.scope)
            v, floor = (scope.v, scope.floor) if scope else (0, 0)
            here = cursor.Cursor(self.epoch, self.scope, v)
            return await pull(tx, KEYS, self.digests, here, held_at(at, here, floor))

    def hold(self, pulled: Pulled) -> None:
        """Apply a page."""
        if pulled.reset:
            self.base = {}
        self.base |= {(put.type, put.id): put.v for put in pulled.puts}
        for gone in pulled.removes:
            self.base.pop((gone.type, gone.id), None)
        self.former, self.cursor = self.cursor, pulled.cursor

    async def change(self, touched: dict[int, bool]) -> None:
        """Let somebody change the scope."""
        async with self.db.begin() as tx:
            for place, is_gone in touched.items():
                feed.touch(tx, self.scope, *self.world[place], gone=is_gone)

    async def drop(self, share: float) -> None:
        """Drop the older tombstones, whoever may need them."""
        async with self.db.begin() as tx:
            passed = int(await feed.version(tx, self.scope) * share)
            buried = tombstones.Buried(self.scope, passed)
            await tombstones.drop(tx, buried, tx.info["now"].replace(year=2000))

    async def present(self) -> dict[Entity, int]:
        """What is in the scope."""
        async with self.db.snapshot() as tx:
            there, _ = await feed.present(tx, self.scope, limit=10_000)
        return {(each.type, each.entity_id): each.v for each in there}

    async def must_hold_up_to_its_cursor(self) -> None:
        """Nothing that was put up to the cursor is missing: no page cut a transaction in two."""
        at = cursor.read(self.cursor)
        assert at is not None
        due = {entity: v for entity, v in (await self.present()).items() if v <= at.v}
        assert due.items() <= self.base.items()


async def take(phone: Phone, step: Step) -> None:
    """Do what the step says, and check what must hold after it."""
    match step:
        case Change(touched):
            await phone.change(touched)
        case Begin():
            phone.cursor = None
        case Drop(share):
            await phone.drop(share)
        case Stale():
            await phone.ask(phone.former)
        case Pull(lost):
            pulled = await phone.ask(phone.cursor)
            if not lost:
                phone.hold(pulled)
                await phone.must_hold_up_to_its_cursor()
                must_agree(pulled, phone, await phone.present())


def must_agree(pulled: Pulled, phone: Phone, present: dict[Entity, int]) -> None:
    """Once nothing more is to come, the phone holds what a snapshot would, and can tell so."""
    assert (pulled.digest is None) == pulled.more
    if not pulled.more:
        assert phone.base == present
        assert pulled.digest == digest((type_, id_, v) for (type_, id_), v in present.items())


@pytest.fixture
async def made(db: Database) -> Round:
    """Four stops and their route, which any scope may be told of."""
    return await a_round(db, *SEGMENTS)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages so small that most pulls take several."""
    monkeypatch.setattr(sync.pull, "PAGE", 2)


@given(steps=STEPS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.usefixtures("small_pages")
async def test_base_and_deltas_are_the_snapshot(
    db: Database, made: Round, steps: list[Step]
) -> None:
    """Any changes, pages, losses, resets and dropped tombstones: the base converges."""
    stops = [("stop", str(id_)) for id_ in made.stops.values()]
    world = [*stops, ("route", str(made.route)), ("reasons", "reasons"), ("settings", "settings")]
    phone = Phone(db, world)
    for step in steps:
        await take(phone, step)
    pulled = await phone.ask(phone.cursor)
    phone.hold(pulled)
    for _ in range(2 * len(world)):
        if pulled.more:
            pulled = await phone.ask(phone.cursor)
            phone.hold(pulled)
    assert not pulled.more
    must_agree(pulled, phone, await phone.present())
    again = await phone.ask(phone.cursor)
    assert (again.puts, again.removes, again.reset) == ([], [], False)


@pytest.mark.usefixtures("small_pages")
async def test_a_base_begun_above_the_floor_is_not_begun_again(db: Database, made: Round) -> None:
    """A first page that ends below the floor still leads on: its reader has seen who had left."""
    stops = [("stop", str(id_)) for id_ in made.stops.values()]
    phone = Phone(db, [*stops, ("route", str(made.route))])
    for place in range(4):
        await phone.change({place: False})
    await phone.change({4: True})
    await phone.drop(1)
    first = await phone.ask(None)
    assert (first.more, first.reset, len(first.puts)) == (True, True, 2)
    second = await phone.ask(first.cursor)
    assert (second.reset, len(second.puts)) == (False, 2)
    third = await phone.ask(second.cursor)
    assert (third.more, third.reset, third.puts) == (False, False, [])


async def test_below_the_floor_there_is_a_snapshot(db: Database, made: Round) -> None:
    """Whoever missed a dropped tombstone is told to begin anew, and nobody else is."""
    phone = Phone(db, [("stop", str(id_)) for id_ in made.stops.values()])
    await phone.change({0: False, 1: False})
    late = (await phone.ask(None)).cursor
    await phone.change({0: True})
    timely = (await phone.ask(late)).cursor
    await phone.drop(1)
    async with db.snapshot() as tx:
        query = select(col(Feed.entity_id)).where(col(Feed.scope) == phone.scope)
        assert set(await tx.scalars(query)) == {phone.world[1][1]}
    told = await phone.ask(late)
    assert (told.reset, [put.id for put in told.puts], told.removes) == (
        True,
        [phone.world[1][1]],
        [],
    )
    assert not (await phone.ask(timely)).reset
