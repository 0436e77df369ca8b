"""The points of a request: before each statement, before and after each commit.

At any of them the server can be killed, the database can fail, and another request can take its
turn. A request that is killed runs no further: its connection is rolled back, nobody gets a reply.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from sqlalchemy import event
from sqlalchemy import exc as sql
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util import await_only

from backend.store import direct
from backend.store.database import Database, Tx

_READING = ("SELECT", "WITH", "SHOW", "SAVEPOINT", "RELEASE", "ROLLBACK")
_WRITING = (" FOR UPDATE", "INSERT INTO ", "UPDATE ")
_COMMIT, _COMMITTED = "commit", "committed"


class Killed(BaseException):
    """The process ended here; no handler of ours may take it for an error."""


def died(error: BaseException) -> bool:
    """Whether this is the end of the process; the framework's task groups wrap it."""
    if isinstance(error, BaseExceptionGroup):
        return all(died(each) for each in error.exceptions)
    return isinstance(error, Killed)


class _Lost(Exception):
    """What the driver would have told of a lost serialisation."""

    sqlstate = "40001"


@dataclass(slots=True)
class Request:
    """One request on its way through the server, and what is in store for it.

    ``kill_at`` and ``fail_at`` count points; ``fails`` is how often the database fails from then
    on. ``turn`` is awaited at every point, so that another request can go first. ``dies_after``:
    the server dies once its reply is on the road. ``open`` is a transaction that it should not
    have left open by then; only a server that is broken on purpose has one.
    """

    kill_at: int | None = None
    fail_at: int | None = None
    fails: int = 0
    turn: Callable[[int], Awaitable[None]] | None = None
    points: int = 0
    statements: int = 0
    writes: int = 0
    failed: int = 0
    killed: str | None = None
    dies_after: bool = False
    open: AsyncSession | None = None

    async def end(self) -> None:
        """Do what is left to do after the reply, unless the server is dead by then."""
        if self.open is not None:
            if self.killed is None and not self.dies_after:
                await self.open.commit()
            await self.open.close()

    def count(self, statement: str) -> None:
        """Count a statement, and whether it writes or locks."""
        self.statements += 1
        told = " ".join(statement.upper().split())
        reads = told.startswith(_READING) and not any(word in told for word in _WRITING)
        self.writes += not reads

    def reach(self, what: str) -> None:
        """Pass a point, or end there."""
        self.points += 1
        if self.killed is not None:
            raise Killed(what)
        if self.points == self.kill_at:
            self.killed = what
            raise Killed(what)
        if self.fail_at is not None and self.points >= self.fail_at and self.failed < self.fails:
            if what == _COMMITTED:
                return
            self.failed += 1
            raise sql.OperationalError(what, None, _Lost())


serving: ContextVar[Request | None] = ContextVar("serving", default=None)


def stand_between(db: Database) -> None:
    """Stand between the statements of a database's connections."""
    engine: AsyncEngine = db._engine
    core = engine.sync_engine
    event.listen(core, "before_cursor_execute", _before)
    commit = core.dialect.do_commit

    def do_commit(connection: Any) -> None:  # noqa: ANN401 - the driver's own
        request = serving.get()
        if request is None:
            commit(connection)
            return
        _pause(request, connection)
        request.reach(_COMMIT)
        commit(connection)
        _pause(request, connection)
        request.reach(_COMMITTED)

    core.dialect.do_commit = do_commit  # type: ignore[method-assign,assignment]  # a seam


def _before(connection: Any, cursor: object, statement: str, *_: object) -> None:  # noqa: ANN401
    request = serving.get()
    if request is None or cursor is None:  # it goes to the driver directly: `_Watched` sees it
        return
    request.count(statement)
    _pause(request, connection.connection.dbapi_connection)
    request.reach(_name(statement))


class _Watched:
    """A connection of the driver, for statements that pass the mapper by."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401 - the driver's own
        self._driver = driver

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)

    async def fetch(self, statement: str, *values: object) -> object:
        """Pass the point before the statement, then run it."""
        request = serving.get()
        if request is not None:
            request.count(statement)
            if request.turn is not None and request.killed is None:
                await request.turn(self._driver.get_server_pid())
            request.reach(_name(statement))
        return await self._driver.fetch(statement, *values)


@contextmanager
def watching() -> Iterator[None]:
    """Stand between statements that pass the mapper by, too."""
    find = direct._line

    async def watched(tx: Tx) -> Any:  # noqa: ANN401 - whatever the store keeps of a connection
        found: Any = await find(tx)
        if isinstance(found, tuple):
            line: Any = (found[0], _Watched(found[1]))
        else:
            line = replace(found, driver=_Watched(found.driver))
        tx.info[direct._LINE] = line
        return line

    with mock.patch.object(direct, "_line", watched):
        yield


def _pause(request: Request, connection: Any) -> None:  # noqa: ANN401 - the driver's own
    if request.turn is not None and request.killed is None:
        await_only(request.turn(connection.driver_connection.get_server_pid()))


def _name(statement: str) -> str:
    """Name a statement by its verb and table."""
    words = statement.split()
    verb = words[0].lower()
    follows = {"insert": "INTO", "select": "FROM", "update": words[0], "delete": "FROM"}.get(verb)
    if follows is None or follows not in words:
        return verb
    return f"{verb} {words[words.index(follows) + 1].strip('(,')}"
