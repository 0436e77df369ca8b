"""The database: transactions that end in the scope counters, and consistent snapshots for reading.

Lock order everywhere: device → stops by id → scopes by id. The counters come last by construction:
``begin`` bumps the scopes that a transaction touched as its very last statement before commit.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession, async_session, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from backend.clock import Clock, SystemClock
from backend.ids import current_request
from backend.store import feed, ledger
from backend.store.direct import drop
from backend.tables.base import Audited

Tx = AsyncSession
R = TypeVar("R", bound=Audited)


def moment(tx: Tx) -> datetime:
    """Return the one moment at which everything in this transaction is recorded."""
    return cast("datetime", tx.info["now"])


_SNAPSHOT = "snapshot"
_UNCHANGING = "unchanging"


def is_snapshot(tx: Tx) -> bool:
    """Tell whether a transaction only reads, so that what it sees is committed."""
    return _SNAPSHOT in tx.info


def unchanging(tx: Tx) -> dict[str, Any]:
    """Return what was read of this database that never changes, by name."""
    return cast("dict[str, Any]", tx.info[_UNCHANGING])


async def flush(tx: Tx) -> None:
    """Write what waits, without waking the mapper for nothing."""
    if tx.new or tx.dirty:
        await tx.flush()
    elif ledger.waits(tx):
        await ledger.write(tx)


async def show_rows(tx: Tx, table: type[R], fits: Callable[[R], bool]) -> None:
    """Write what waits if a row that fits is among it, for who then reads past the mapper."""
    made = any(isinstance(row, table) and fits(row) for row in tx.new)
    if made or ledger.changes(tx, table, fits):
        await flush(tx)


async def show_events(tx: Tx, stop_id: UUID, *kinds: str) -> None:
    """Write what waits if an event of these kinds at a stop is among it."""
    if ledger.tells(tx, stop_id, kinds):
        await flush(tx)


async def settle(tx: Tx, *, holding: str | None = None) -> None:
    """Write all that waits, the scopes' counters last; from here on there is only reading.

    Nobody else commits anything of the scope that is held.
    """
    await flush(tx)
    await feed.publish(tx, holding=holding)


class _Session(Session):
    """Whoever flushes writes the transaction's ledger too, once the new rows are there."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write new rows, then what ``record`` has to write."""
        super().flush(objects)
        tx = async_session(self)
        if tx is not None and ledger.waits(tx):
            await_only(ledger.write(tx))


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        pool_size: int = 20,
        lock_timeout_ms: int = 10_000,
    ) -> None:
        self._clock = clock or SystemClock()
        self._unchanging: dict[str, Any] = {}
        options = {"lock_timeout": str(lock_timeout_ms), "timezone": "UTC", "jit": "off"}
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,  # one that is closed after use costs more than what it was used for
            pool_use_lifo=True,  # the same few stay warm
            pool_timeout=10,
            pool_pre_ping=False,
            # An error's text reaches the log, and parameters hold names, codes and raw mutations.
            hide_parameters=True,
            json_serializer=_json,
            json_deserializer=msgspec.json.decode,
            connect_args={
                "server_settings": options,
                "timeout": 5,
                "command_timeout": 60,
                "statement_cache_size": 300,  # a write has a form for each set of changed columns
            },
        )
        self._snapshots = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def now(self) -> datetime:
        """Return the moment it is now, for what must not wait for a transaction."""
        return self._clock.now()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Open a transaction: scope counters last, then commit; roll back on any exception."""
        tx = AsyncSession(self._engine, expire_on_commit=False, sync_session_class=_Session)
        try:
            tx.info[_UNCHANGING] = self._unchanging
            tx.info["now"], tx.info["request"] = self._clock.now(), current_request.get()
            yield tx
            await settle(tx)
            await _commit(tx)
        except BaseException:
            await tx.__aexit__(None, None, None)  # in a task that no cancellation reaches
            raise
        await tx.close()  # its connection went back with the commit, so nothing is waited for

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Tx]:
        """Open a read-only transaction that sees one moment (REPEATABLE READ)."""
        async with AsyncSession(self._snapshots, autoflush=False) as tx:
            tx.info[_UNCHANGING] = self._unchanging
            tx.info["now"], tx.info[_SNAPSHOT] = self._clock.now(), True
            yield tx

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


async def _commit(tx: Tx) -> None:
    """Commit; a connection whose commit failed may still be in its transaction, with its locks."""
    try:
        await tx.commit()
    except BaseException as error:
        drop(tx, error)
        raise


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@asynccontextmanager
async def savepoint(tx: Tx) -> AsyncIterator[None]:
    """Undo everything in the block, what it touched and recorded included, if the block fails.

    Rows changed in a block that failed must be read again before they are used.
    """
    await tx.flush()
    before = {name: tx.info.pop(name, {}) for name in _UNDONE}
    tx.info.update({name: dict(known) for name, known in before.items()})
    tx.info[_RECORDED] = {}
    try:
        async with tx.begin_nested():
            await tx.connection()  # the session sets its savepoint when it is first asked
            yield
            await tx.flush()
    except BaseException:
        for row in tx.info[_RECORDED].values():
            if row in tx:
                tx.expire(row)
        ledger.tear_out(tx)
        tx.info.update(before)
        raise
    tx.info[_RECORDED] |= before[_RECORDED]


_RECORDED = "recorded"
_UNDONE = ("touched", _RECORDED)
