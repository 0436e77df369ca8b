"""Statements that go to the driver as they are written, past the mapper.

The few statements that every sync call makes cost three to ten times less this way than built and
mapped (decision 0014). They run on the transaction's own connection; whoever watches statements
sees them like any other, and a refusal has the same class as one that came through the mapper.

PostgreSQL plans a statement anew for each call if knowing the values promises a cheaper plan, as it
does with every list shorter than ten. Where no value changes the plan it stands as ``(SELECT $1)``,
which hides it from the planner, and the statement is planned once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg
import msgspec
from msgspec import Struct
from sqlalchemy import exc
from sqlalchemy import inspect as inspect_row
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import class_mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from backend.tables.base import Audited

if TYPE_CHECKING:
    from asyncpg import Record
    from sqlalchemy import Connection
    from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection

R = TypeVar("R", bound=Audited)

_LINE = "line"


async def fetch(tx: AsyncSession, statement: str, *values: object) -> "list[Record]":
    """Run a statement with ``$1``-style places; JSONB goes in as text and comes out read.

    What the session still has to write is not written first.
    """
    line = cast("_Line | None", tx.info.get(_LINE)) or await _line(tx)
    for listener in line.before or ():
        listener(line.connection, None, statement, values, None, False)
    try:
        rows = await line.driver.fetch(statement, *values)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if line.driver.is_closed():
            _give_up(line.connection, error)
        raise _translated(statement, error) from None
    for listener in line.after or ():
        listener(line.connection, None, statement, values, None, False)
    return cast("list[Record]", rows)


async def fetch_one(tx: AsyncSession, statement: str, *values: object) -> "Record | None":
    """Run a statement and return its first row, if there is one."""
    rows = await fetch(tx, statement, *values)
    return rows[0] if rows else None


def as_json(lines: Sequence[Struct]) -> str:
    """Write lines as ``json_to_recordset`` reads them; bytes become base64.

    One text instead of a list for each column: the driver asks of every item in a list whether it
    is a list itself.
    """
    return msgspec.json.encode(lines).decode()


def json_text(value: object) -> str | None:
    """Write JSON for a column."""
    return None if value is None else msgspec.json.encode(value).decode()


def adopt(tx: AsyncSession, table: type[R], row: Mapping[str, Any]) -> R:
    """Make a row that was read here one of the session's, or refresh the one it has."""
    mapper = class_mapper(table)  # which is made ready by this, as the first query makes it too
    known = tx.sync_session.identity_map.get(mapper.identity_key_from_primary_key((row["id"],)))
    if known is not None:
        for name, value in row.items():
            set_committed_value(known, name, value)
        return known
    made: R = mapper.class_manager.new_instance()
    inspect_row(made).dict.update(row)
    make_transient_to_detached(made)
    tx.add(made)
    return made


@dataclass(frozen=True, slots=True)
class _Line:
    """A transaction's connection, and who is told before and after each statement."""

    connection: "Connection"
    driver: Any
    before: Collection[Any]
    after: Collection[Any]


async def _line(tx: AsyncSession) -> _Line:
    """Find the session's connection; the transaction must have begun there before we speak."""
    connection = (await tx.connection()).sync_connection
    if connection is None:
        raise exc.ResourceClosedError("the session has no connection")
    adapted = cast("AsyncAdapt_asyncpg_connection", connection.connection.dbapi_connection)
    if adapted._transaction is None:  # noqa: SLF001 - it begins with its own first one
        await _begin(connection, adapted)
    told = connection.dispatch
    line = _Line(
        connection,
        adapted.driver_connection,
        told.before_cursor_execute,
        told.after_cursor_execute,
    )
    tx.info[_LINE] = line
    return line


async def _begin(connection: "Connection", adapted: "AsyncAdapt_asyncpg_connection") -> None:
    """Begin the transaction; a connection that was interrupted in this may be in one already."""
    try:
        await adapted._start_transaction()  # type: ignore[no-untyped-call]  # noqa: SLF001
    except BaseException as error:
        if not isinstance(error, Exception):
            connection.invalidate(error)
            raise
        _give_up(connection, error)
        raise exc.OperationalError("BEGIN", None, Refusal(error), hide_parameters=True) from None


def _give_up(connection: "Connection", error: BaseException) -> None:
    """Use neither this connection again nor those made before now: the database was gone."""
    pool = connection.engine.pool
    pool._invalidate(connection.connection, error)  # noqa: SLF001 - as the mapper does
    connection.invalidate(error)


def drop(tx: AsyncSession, error: BaseException) -> None:
    """Never use a transaction's connection again: nobody knows in what it was left."""
    line = cast("_Line | None", tx.info.get(_LINE))
    if line is not None and not line.connection.closed:
        line.connection.invalidate(error)


class Refusal(Exception):
    """What the database or its driver refused, without the values that its details would name."""

    def __init__(self, error: BaseException) -> None:
        """Keep the first line and the five characters of the state."""
        super().__init__(f"{type(error).__name__}: {error.args[0] if error.args else ''}")
        self.sqlstate = getattr(error, "sqlstate", None)


def _translated(statement: str, error: BaseException) -> exc.DBAPIError:
    match error:
        case asyncpg.IntegrityConstraintViolationError():
            kind: type[exc.DBAPIError] = exc.IntegrityError
        case asyncpg.DataError() | ValueError():  # refused by the server, or before it was asked
            kind = exc.DataError
        case asyncpg.InterfaceError() | OSError():
            kind = exc.OperationalError
        case _:
            kind = exc.DBAPIError
    return kind(statement, None, Refusal(error), hide_parameters=True)
