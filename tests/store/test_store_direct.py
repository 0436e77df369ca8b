"""Statements past the mapper: same transaction, faults and witnesses; rows stay the session's."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from unittest import mock
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlmodel import col, select

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.store import feed, later
from backend.store.database import Database, savepoint
from backend.store.direct import adopt, fetch, fetch_one
from backend.tables.audit import AuditEntry
from backend.tables.stops import Stop
from backend.wire.outage import will_pass
from sync.cursor import Cursor
from sync.pull import Digests
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

_STOP = "SELECT * FROM stop WHERE id = $1 FOR UPDATE"


@contextmanager
def hearing(*names: str) -> Iterator[list[str]]:
    """Listen to the engine's statements for the length of the block."""
    heard: list[str] = []

    def hear(_1: object, _2: object, statement: str, *_: object) -> None:
        heard.append(statement)

    for name in names:
        event.listen(Engine, name, hear)
    try:
        yield heard
    finally:
        for name in names:
            event.remove(Engine, name, hear)


async def test_a_direct_statement_begins_the_transaction_and_ends_with_it(db: Database) -> None:
    """What is written directly is gone when the block fails, though the mapper said nothing."""
    with pytest.raises(LookupError):
        async with db.begin() as tx:
            await feed.publish(tx, holding="driver:direct")
            raise LookupError
    async with db.snapshot() as tx:
        assert await fetch_one(tx, "SELECT v FROM scope WHERE id = $1", "driver:direct") is None


async def test_a_refusal_has_the_class_it_has_through_the_mapper(db: Database) -> None:
    """Constraint, value and the rest can be told apart, and the values stay out of the text."""
    twice = "INSERT INTO scope (id, v) SELECT 'driver:secret', 0 FROM generate_series(1, 2)"
    for statement, kind in (
        (twice, IntegrityError),
        ("SELECT repeat($1, 1)", DataError),
        ("SELECT nobody", DBAPIError),
    ):
        values = ["a\0secret"] if "$1" in statement else []
        with pytest.raises(kind) as caught:
            async with db.begin() as tx:
                await fetch(tx, statement, *values)
        assert "secret" not in str(caught.value).replace(statement, "")


async def test_who_watches_statements_sees_direct_ones(db: Database) -> None:
    """A listener on the engine hears of a statement before and after it ran."""
    with hearing("before_cursor_execute", "after_cursor_execute") as heard:
        async with db.snapshot() as tx:
            await fetch(tx, "SELECT 42")
    assert heard.count("SELECT 42") == 2


async def test_an_adopted_row_is_the_sessions_own(db: Database) -> None:
    """Read directly or through the mapper, a row is one object; reading again refreshes it."""
    made = await a_round(db, "economy")
    id_ = made.stops["economy"]
    async with db.begin() as tx:
        stop = adopt(tx, Stop, await _row(tx, id_))
        assert await tx.get(Stop, id_) is stop
        await record(tx, SYSTEM, Event("stop.pinned", Stop, id_, {"pinned": True}))
        assert stop.pinned
        await tx.flush()
        assert adopt(tx, Stop, await _row(tx, id_)) is stop
        assert (stop.version, stop.pinned) == (2, True)


async def test_a_savepoint_undoes_what_the_ledger_wrote_and_had_to_write(db: Database) -> None:
    """Entries, events and rows of a block that failed are nowhere; what came before it stays."""
    made = await a_round(db, "economy", "standard")
    kept, undone = made.stops["economy"], made.stops["standard"]
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("stop.pinned", Stop, kept, {"pinned": True}))
        with pytest.raises(LookupError):
            async with savepoint(tx):
                await record(tx, SYSTEM, Event("stop.pinned", Stop, undone, {"pinned": True}))
                await tx.flush()
                await record(tx, SYSTEM, Event("stop.unpinned", Stop, undone, {"pinned": False}))
                raise LookupError
        await record(tx, SYSTEM, Event("stop.retimed", Stop, undone, {"priority": 9}))
    assert await _actions(db, kept) == ["stop.released", "stop.pinned"]
    assert await _actions(db, undone) == ["stop.released", "stop.retimed"]
    async with db.snapshot() as tx:
        rows = await tx.execute(select(col(Stop.version)).where(col(Stop.id).in_([kept, undone])))
        assert [row[0] for row in rows] == [2, 2]


async def test_nothing_of_a_scope_is_committed_while_its_counter_is_held(
    db: Database, pg_url: str
) -> None:
    """Whoever holds the counter reads what a snapshot would show: others wait for the commit."""
    made, hasty = await a_round(db, "economy"), Database(pg_url, lock_timeout_ms=50)
    scope = feed.driver_scope(made.driver)
    try:
        async with db.begin() as tx:
            await feed.publish(tx, holding=scope)
            with pytest.raises(DBAPIError):
                await _rename(hasty, made)
            assert await feed.version(tx, scope) == 1
        await _rename(hasty, made)
    finally:
        await hasty.close()


async def test_a_digest_that_may_be_undone_is_not_remembered(db: Database) -> None:
    """A version that was rolled back comes again with other content; its digest is read afresh."""
    made, digests = await a_round(db, "economy"), Digests()
    scope = feed.driver_scope(made.driver)
    here = Cursor(made.depot, scope, 2)
    with pytest.raises(LookupError):
        async with db.begin() as tx:
            feed.touch(tx, scope, "stop", "a")
            await feed.publish(tx)
            undone = await digests.of(tx, here)
            raise LookupError
    async with db.begin() as tx:
        feed.touch(tx, scope, "stop", "b")
    async with db.snapshot() as tx:
        assert await digests.of(tx, here) != undone


async def _rename(db: Database, made: Round) -> None:
    async with db.begin() as tx:
        event_ = Event("stop.retimed", Stop, made.stops["economy"], {"priority": 7})
        await record(tx, SYSTEM, event_)


async def _row(tx: object, id_: UUID) -> dict[str, object]:
    row = await fetch_one(tx, _STOP, id_)  # type: ignore[arg-type]
    assert row is not None
    return dict(row)


async def _actions(db: Database, id_: UUID) -> list[str]:
    async with db.snapshot() as tx:
        query = select(col(AuditEntry.action)).where(col(AuditEntry.entity_id) == str(id_))
        return list(await tx.scalars(query.order_by(col(AuditEntry.n))))


async def test_a_direct_statement_waits_its_turn_in_the_mappers_transaction(db: Database) -> None:
    """Both see what the other wrote, in whatever order they speak."""
    async with db.begin() as tx:
        await tx.execute(text("INSERT INTO scope (id, v) VALUES ('driver:both', 4)"))
        row = await fetch_one(tx, "UPDATE scope SET v = v + 1 WHERE id = 'driver:both' RETURNING v")
        assert row is not None
        assert row["v"] == 5
        assert await feed.version(tx, "driver:both") == 5


async def test_what_waits_goes_out_as_one_statement(db: Database) -> None:
    """Places are numbered through, each part is carried out, and readers are shown it."""
    add = "INSERT INTO scope (id, v) VALUES ($1, $2), ($1 || '+', $2)"
    with hearing("before_cursor_execute") as heard:
        async with db.begin() as tx:
            later.put(tx, add, "wait:one", 1)
            later.put(tx, "INSERT INTO scope (id, v) VALUES ('wait:none', 7)")
            later.put(tx, add, "wait:two", 2)
            assert heard == []
        assert len(heard) == 1
    async with db.snapshot() as tx:
        told = await fetch(tx, "SELECT id, v FROM scope WHERE id LIKE 'wait:%' ORDER BY id")
    assert [tuple(row) for row in told] == [
        ("wait:none", 7),
        ("wait:one", 1),
        ("wait:one+", 1),
        ("wait:two", 2),
        ("wait:two+", 2),
    ]


async def test_a_savepoint_that_is_undone_sends_nothing_that_waited_in_it(db: Database) -> None:
    """What waited before it was sent before it; what waited in it is forgotten."""
    add = "INSERT INTO scope (id, v) VALUES ($1, 1)"
    async with db.begin() as tx:
        later.put(tx, add, "savepoint:before")
        with pytest.raises(LookupError):
            async with savepoint(tx):
                later.put(tx, add, "savepoint:within")
                raise LookupError
    async with db.snapshot() as tx:
        told = await fetch(tx, "SELECT id FROM scope WHERE id LIKE 'savepoint:%'")
    assert [row[0] for row in told] == ["savepoint:before"]


async def test_a_begin_that_was_cancelled_leaves_no_connection_in_a_transaction(
    fresh_pg_url: str,
) -> None:
    """Whoever gets that connection next commits what he was told is committed."""
    db, other = Database(fresh_pg_url, pool_size=1), Database(fresh_pg_url, pool_size=1)

    async def work() -> None:
        async with db.begin() as tx:
            await fetch(tx, "SELECT 1")

    await work()
    for steps in range(1, 12):
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        name = f"cancelled:{steps}"
        async with db.begin() as tx:
            await fetch(tx, "INSERT INTO scope (id, v) VALUES ($1, 1)", name)
        async with other.snapshot() as tx:
            assert await fetch(tx, "SELECT FROM scope WHERE id = $1", name), steps
    await db.close()
    await other.close()


async def test_one_call_finds_out_for_all_that_the_database_was_gone(fresh_pg_url: str) -> None:
    """The connections of before are not tried one after the other, and the refusal will pass."""
    db, other = Database(fresh_pg_url), Database(fresh_pg_url)
    async with AsyncExitStack() as many:
        for _ in range(4):
            await fetch(await many.enter_async_context(db.begin()), "SELECT 1")
    async with other.begin() as tx:
        await fetch(tx, _END_OTHERS)
    failed = 0
    for _ in range(8):
        try:
            async with db.begin() as tx:
                await fetch(tx, "SELECT 1")
        except DBAPIError as error:
            assert will_pass(error)
            failed += 1
    assert failed == 1
    await db.close()
    await other.close()


_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def test_a_commit_that_failed_keeps_no_locks(fresh_pg_url: str) -> None:
    """Nobody knows in what such a connection was left: it is not used again."""
    db = Database(fresh_pg_url)
    engine = db._engine.sync_engine
    with mock.patch.object(engine.dialect, "do_commit", side_effect=OSError), suppress(OSError):
        async with db.begin() as tx:
            await fetch(tx, "INSERT INTO scope (id, v) VALUES ('lost', 1)")
    async with db.begin() as tx:
        await fetch(tx, "INSERT INTO scope (id, v) VALUES ('lost', 2)")
    async with db.snapshot() as tx:
        found = await fetch_one(tx, "SELECT v FROM scope WHERE id = 'lost'")
        assert found is not None
        assert found["v"] == 2
    await db.close()
