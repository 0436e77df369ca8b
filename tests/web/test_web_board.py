"""A control room's cursor: whatever happens in whatever order, what it has read is the board."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

import web.board
from backend.domain.people import Role
from backend.identity.people import SignedIn
from backend.ids import new_id
from backend.store import depots, feed, tombstones
from backend.store.database import Database
from backend.tables.scopes import Feed
from web.board import Read, read

pytestmark = pytest.mark.anyio

Thing: TypeAlias = tuple[UUID, str]


@dataclass(frozen=True)
class Change:
    """One transaction: things by their number, each on its depot's board or gone from it."""

    touched: dict[int, bool]


@dataclass(frozen=True)
class Number:
    """The aggregator comes by one of the depots."""

    depot: int


@dataclass(frozen=True)
class Drop:
    """Tombstones of a depot are dropped, up to a part of its history."""

    depot: int
    share: float


@dataclass(frozen=True)
class Page:
    """The console reads one page; its reply may be lost."""

    lost: bool = False


@dataclass(frozen=True)
class Begin:
    """The console forgets everything."""


Step: TypeAlias = Change | Number | Drop | Page | Begin
STEPS = st.lists(
    st.one_of(
        st.builds(Change, st.dictionaries(st.integers(0, 7), st.booleans(), min_size=1)),
        st.builds(Number, st.integers(0, 1)),
        st.builds(Drop, st.integers(0, 1), st.floats(0, 1)),
        st.builds(Page, st.booleans()),
        st.builds(Page),
        st.builds(Begin),
    ),
    max_size=25,
)


@dataclass
class Console:
    """What somebody of two depots has read."""

    db: Database
    depots: Sequence[UUID]
    cursor: str | None = None
    things: set[Thing] = field(default_factory=set)

    @property
    def person(self) -> SignedIn:
        """A supervisor of both."""
        return SignedIn(new_id(), "x@example.org", Role.SUPERVISOR, (), frozenset(self.depots))

    async def page(self, *, lost: bool = False) -> Read:
        """Read one page and hold it."""
        async with self.db.snapshot() as tx:
            told = await read(tx, self.person, self.cursor)
        if not lost:
            self.things = set() if told.reset else self.things
            for each in told.told:
                thing = (each.depot, each.change.entity_id)
                (self.things.discard if each.change.gone else self.things.add)(thing)
            self.cursor = told.cursor
        return told

    async def change(self, touched: dict[int, bool]) -> None:
        """Let drivers change both boards."""
        async with self.db.begin() as tx:
            for place, is_gone in touched.items():
                scope = feed.depot_scope(self.depots[place % 2])
                feed.touch(tx, scope, "stop", str(place), gone=is_gone)

    async def number(self, place: int) -> None:
        """Number a depot's rows."""
        async with self.db.begin() as tx:
            await depots.number(tx, self.depots[place])

    async def drop(self, place: int, share: float) -> None:
        """Drop tombstones, whoever may need them."""
        scope = feed.depot_scope(self.depots[place])
        async with self.db.begin() as tx:
            passed = int(await feed.version(tx, scope) * share)
            long_ago = tx.info["now"].replace(year=2000)
            await tombstones.drop(tx, tombstones.Buried(scope, passed), long_ago)

    async def board(self) -> set[Thing]:
        """What is on both boards."""
        scopes = {feed.depot_scope(depot): depot for depot in self.depots}
        query = select(col(Feed.scope), col(Feed.entity_id)).where(
            col(Feed.scope).in_(scopes), ~col(Feed.gone)
        )
        async with self.db.snapshot() as tx:
            return {(scopes[row[0]], row[1]) for row in await tx.execute(query)}


async def take(console: Console, step: Step) -> None:
    """Do what the step says."""
    match step:
        case Change(touched):
            await console.change(touched)
        case Number(depot):
            await console.number(depot)
        case Drop(depot, share):
            await console.drop(depot, share)
        case Page(lost):
            await console.page(lost=lost)
        case Begin():
            console.cursor = None


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages so small that most reads take several."""
    monkeypatch.setattr(web.board, "PAGE", 2)


@given(steps=STEPS)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.usefixtures("small_pages")
async def test_what_was_read_is_the_board(db: Database, steps: list[Step]) -> None:
    """Any changes, numbering, pages, losses, resets and dropped tombstones of two depots."""
    console = Console(db, sorted(uuid4() for _ in range(2)))
    for step in steps:
        await take(console, step)
    for place in range(2):
        await console.number(place)
    told = await console.page()
    for _ in range(20):
        if told.more:
            told = await console.page()
    assert not told.more
    assert console.things == await console.board()
    again = await console.page()
    assert (again.told, again.reset, again.cursor) == ([], False, told.cursor)
