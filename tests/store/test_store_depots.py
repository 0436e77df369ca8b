"""The depots' feed: numbered apart from the change, by whoever comes, once and in order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from backend.dispatch.boards import BOARD_DAYS, clear_boards, number_boards
from backend.store import depots, feed
from backend.store.database import Database, Tx
from backend.tables.fleet import Depot
from backend.tables.scopes import Feed
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_driver
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio

WRITERS, ROUNDS, STOPS = 6, 20, 8


async def nobody_asks(_tx: Tx) -> None:
    """A fence that lets everybody pass, as none does who leads."""


async def a_depot(db: Database) -> UUID:
    """A depot without anything on its board."""
    await a_driver(db)
    async with db.snapshot() as tx:
        return await tx.scalar(select(col(Depot.id)).order_by(col(Depot.id).desc())) or UUID(int=0)


async def board(db: Database, depot: UUID) -> dict[str, tuple[int | None, bool]]:
    """The depot's rows: entity, its number and whether it is gone."""
    query = select(col(Feed.entity_id), col(Feed.v), col(Feed.gone))
    async with db.snapshot() as tx:
        rows = await tx.execute(query.where(col(Feed.scope) == feed.depot_scope(depot)))
        return {row[0]: (row[1], row[2]) for row in rows}


async def write(db: Database, depot: UUID, stop: str, *, gone: bool = False) -> None:
    """Change something on a depot's board, as a driver's transaction does."""
    async with db.begin() as tx:
        feed.touch(tx, feed.depot_scope(depot), "stop", stop, gone=gone)


async def test_a_release_is_on_the_board_without_the_depots_counter(db: Database) -> None:
    """Routes and stops wait for their number; the depot's counter is nobody's lock."""
    made = await a_round(db, "standard", "premium")
    waiting = await board(db, made.depot)
    assert set(waiting) == {str(id_) for id_ in (made.route, *made.stops.values())}
    assert set(waiting.values()) == {(None, False)}
    async with db.snapshot() as tx:
        assert await feed.version(tx, feed.depot_scope(made.depot)) == 0
    assert await number_boards(db, nobody_asks) == 3
    assert set((await board(db, made.depot)).values()) == {(1, False)}
    assert await number_boards(db, nobody_asks) == 0


async def test_a_writer_passes_while_the_depots_counter_is_held(db: Database) -> None:
    """Whoever holds the depot's counter holds up no driver."""
    depot = await a_depot(db)
    await write(db, depot, "a")
    async with db.begin() as tx:
        await tx.execute(text("INSERT INTO scope (id, v) VALUES (:id, 0)"), _id(depot))
        with anyio.fail_after(5):
            await write(db, depot, "b")
    assert set(await board(db, depot)) == {"a", "b"}


async def test_rows_in_other_hands_are_numbered_later(db: Database) -> None:
    """The aggregator does not wait for a writer, and its row is not forgotten."""
    depot = await a_depot(db)
    await write(db, depot, "held")
    await write(db, depot, "free")
    async with db.begin() as tx:
        await tx.execute(
            update(Feed)
            .where(col(Feed.scope) == feed.depot_scope(depot), col(Feed.entity_id) == "held")
            .values(gone=True)
        )
        with anyio.fail_after(5):
            await number_boards(db, nobody_asks)
        assert (await board(db, depot))["free"] == (1, False)
    await number_boards(db, nobody_asks)
    assert (await board(db, depot))["held"] == (2, True)


async def test_a_transaction_that_fails_numbers_nothing(db: Database) -> None:
    """Number and counter change together or not at all, wherever the aggregator dies."""
    depot = await a_depot(db)
    await write(db, depot, "a")

    async def die() -> None:
        async with db.begin() as tx:
            assert await depots.number(tx, depot) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await die()
    assert await board(db, depot) == {"a": (None, False)}
    assert await number_boards(db, nobody_asks) == 1
    async with db.snapshot() as tx:
        assert await feed.version(tx, feed.depot_scope(depot)) == 1


async def test_a_fenced_aggregator_writes_nothing(db: Database) -> None:
    """Who no longer leads is refused in the transaction that would number."""
    depot = await a_depot(db)
    await write(db, depot, "a")

    async def refuse(_tx: Tx) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        await number_boards(db, refuse)
    assert await board(db, depot) == {"a": (None, False)}


@dataclass
class Reader:
    """Follows a depot's feed by its cursor and remembers what it was told last."""

    db: Database
    scope: str
    at: int = 0
    seen: dict[str, tuple[int | None, bool]] = field(default_factory=dict)

    async def read(self) -> int:
        """Read one page; return how much was in it."""
        async with self.db.snapshot() as tx:
            changes = await feed.since(tx, self.scope, self.at, limit=5)
            here = await feed.version(tx, self.scope)
        self.seen |= {change.entity_id: (change.v, change.gone) for change in changes}
        self.at = changes[-1].v if changes else here
        return len(changes)


async def again(work: Callable[[], Awaitable[object]], done: anyio.Event) -> None:
    """Do it over and over until told to stop."""
    while not done.is_set():
        await work()
        await anyio.lowlevel.checkpoint()


async def keep_writing(db: Database, depot: UUID, number: int) -> None:
    """Change a few stops of one's own, and take some off the board."""
    for round_ in range(ROUNDS):
        await write(db, depot, f"{number}-{round_ % STOPS}", gone=round_ % 3 == 0)


async def test_readers_miss_nothing_while_two_aggregators_number(fresh_db: Database) -> None:
    """Writers, two aggregators and a reader at once: the reader ends with every last word."""
    depot, done = await a_depot(fresh_db), anyio.Event()
    reader = Reader(fresh_db, feed.depot_scope(depot))
    number = partial(number_boards, fresh_db, nobody_asks)
    async with anyio.create_task_group() as tasks:
        for work in (reader.read, number, number):
            tasks.start_soon(again, work, done)
        async with anyio.create_task_group() as writers:
            for each in range(WRITERS):
                writers.start_soon(keep_writing, fresh_db, depot, each)
        done.set()
    await number()
    while await reader.read():
        pass
    final = await board(fresh_db, depot)
    assert reader.seen == final
    async with fresh_db.snapshot() as tx:
        assert await feed.version(tx, reader.scope) == max(v or 0 for v, _ in final.values())


async def test_old_routes_leave_the_board(fresh_db: Database, clock: FakeClock) -> None:
    """After a fortnight a route and its stops are removed for the readers too."""
    made = await a_round(fresh_db, "standard")
    await number_boards(fresh_db, nobody_asks)
    clock.advance(days=BOARD_DAYS)
    await clear_boards(fresh_db, nobody_asks)
    assert set((await board(fresh_db, made.depot)).values()) == {(1, False)}
    clock.advance(days=1)
    await clear_boards(fresh_db, nobody_asks)
    await number_boards(fresh_db, nobody_asks)
    assert set((await board(fresh_db, made.depot)).values()) == {(2, True)}


async def test_a_stop_that_changes_its_route_stays_on_its_depots_board(db: Database) -> None:
    """Off one route and on another of the same depot is no departure; off to a third place is."""
    made, far = await a_round(db, "standard"), await a_round(db, "economy")
    stop = "moved"
    for former, present in ((made, made), (made, far)):
        async with db.begin() as tx:
            feed.touch(tx, feed.board_of(former.route), "stop", stop, gone=True)
            feed.touch(tx, feed.depot_scope(present.depot), "stop", stop)
    assert (await board(db, made.depot))[stop] == (None, True)
    assert (await board(db, far.depot))[stop] == (None, False)


def _id(depot: UUID) -> dict[str, str]:
    return {"id": feed.depot_scope(depot)}
