"""Servers that are broken on purpose, each in one seam: the simulator must find every one of them.

A proof that has never failed proves little. Nothing of this is known to the code it breaks: a
function is put in another's place for the length of a block.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from unittest import mock
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.identity.callers import CallingDevice
from backend.ids import current_request
from backend.store import direct, feed
from backend.store.database import _UNCHANGING, Database, Tx, _Session, settle
from sync.kinds import CORRECTABLE
from sync.mutations import Heard
from sync.note import name_evidence
from sync.numbering import Numbering, Standing, Stored
from tests.simulator import driver, server
from tests.simulator.ground import Ground, connect
from tests.simulator.points import serving
from tests.simulator.run import Rule

Broken = Callable[[Ground], AbstractContextManager[None]]


@contextmanager
def acknowledges_before_commit(_: Ground) -> Iterator[None]:
    """All of a request is one transaction, which commits once the reply is on its way."""
    begin, snapshot = Database.begin, Database.snapshot

    @asynccontextmanager
    async def lazy_begin(self: Database) -> AsyncIterator[Tx]:
        request = serving.get()
        if request is None:
            async with begin(self) as tx:
                yield tx
            return
        if request.open is None:
            request.open = AsyncSession(
                self._engine, expire_on_commit=False, sync_session_class=_Session
            )
        tx = request.open
        tx.info[_UNCHANGING] = self._unchanging
        tx.info["now"], tx.info["request"] = self.now(), current_request.get()
        try:
            yield tx
            await settle(tx)
        except BaseException:
            await tx.rollback()
            tx.info.clear()
            raise

    @asynccontextmanager
    async def same_snapshot(self: Database) -> AsyncIterator[Tx]:
        request = serving.get()
        if request is not None and request.open is not None:
            yield request.open
            return
        async with snapshot(self) as tx:
            yield tx

    with (
        mock.patch.object(Database, "begin", lazy_begin),
        mock.patch.object(Database, "snapshot", same_snapshot),
    ):
        yield


@contextmanager
def numbers_by_a_sequence(ground: Ground) -> Iterator[None]:
    """A cursor is the next value of a sequence, taken before the commit that it stands for."""
    begin, publish = Database.begin, feed.publish

    async def sequence(tx: AsyncSession, *, holding: str | None = None) -> None:
        touched: dict[feed.Key, bool] = tx.info.get("touched", {})
        mine = {key: gone for key, gone in touched.items() if key.scope.startswith("driver:")}
        tx.info["touched"] = {key: gone for key, gone in touched.items() if key not in mine}
        await publish(tx, holding=holding)
        if not mine:
            return
        number = await direct.fetch_one(tx, "SELECT nextval('naive_cursor') AS v")
        assert number is not None
        keys = sorted(mine)
        columns = [[key.scope, key.type, key.entity_id] for key in keys]
        scopes, types, ids = (list(column) for column in zip(*columns, strict=True))
        gone = [mine[key] for key in keys]
        await direct.fetch(tx, _FEED, scopes, types, ids, gone, number["v"])
        tx.info["naive"] = (scopes, number["v"])

    @asynccontextmanager
    async def raising_afterwards(self: Database) -> AsyncIterator[Tx]:
        async with begin(self) as tx:
            yield tx
        if "naive" in tx.info:
            aside, request = await connect(ground), serving.get()
            if request is not None and request.turn is not None:
                await request.turn(aside.get_server_pid())  # it is this one that may wait
            await aside.execute(_RAISE, *tx.info.pop("naive"))
            await aside.close()

    with (
        mock.patch.object(feed, "publish", sequence),
        mock.patch.object(Database, "begin", raising_afterwards),
    ):
        yield


_FEED = """
INSERT INTO feed (scope, type, entity_id, v, gone)
SELECT s, t, e, $5::bigint, g
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) AS x(s, t, e, g)
ON CONFLICT (scope, type, entity_id) DO UPDATE SET v = excluded.v, gone = excluded.gone
"""
_RAISE = """
INSERT INTO scope (id, v) SELECT DISTINCT s, $2::bigint FROM unnest($1::text[]) AS s
ON CONFLICT (id) DO UPDATE SET v = greatest(scope.v, excluded.v)
"""


@contextmanager
def applies_beyond_a_gap(_: Ground) -> Iterator[None]:
    """What comes next is taken in, whatever is missing before it."""
    place = Numbering.place

    def greedy(self: Numbering, heard: Heard) -> tuple[Standing, Stored | None]:
        if heard.n is not None and heard.n > self.acked_n:
            return self._next(heard)
        return place(self, heard)

    with mock.patch.object(Numbering, "place", greedy):
        yield


@contextmanager
def forgets_who_held_a_stop(_: Ground) -> Iterator[None]:
    """A stop that leaves a driver leaves no tombstone with him."""
    touch = feed.touch

    def forgetful(
        tx: AsyncSession, scope: str, type_: str, entity_id: str, *, gone: bool = False
    ) -> None:
        if not gone:
            touch(tx, scope, type_, entity_id)

    with mock.patch.object(feed, "touch", forgetful):
        yield


@contextmanager
def forgets_files(_: Ground) -> Iterator[None]:
    """Only the end of a visit keeps in mind which files it names."""

    async def at_the_end(
        tx: Tx, device: CallingDevice, heard: Heard, stop_id: UUID, *, counts: bool = True
    ) -> None:
        if heard.kind in CORRECTABLE:
            await name_evidence(tx, device, heard, stop_id, counts=counts)

    with mock.patch("sync.visit.name_evidence", at_the_end):
        yield


@dataclass(frozen=True, slots=True)
class Control:
    """A way to break the server, and the rules under which that shows soonest."""

    breaks: Broken
    rules: dict[Rule, int]


BROKEN = {
    "ack before commit": Control(
        acknowledges_before_commit, {driver.act: 2, driver.sync_with_a_dying_server: 3}
    ),
    "sequence cursor": Control(numbers_by_a_sequence, {driver.act: 2, server.overlap: 3}),
    "apply beyond a gap": Control(applies_beyond_a_gap, {driver.act: 2, driver.push_the_end: 2}),
    "files forgotten": Control(forgets_files, {driver.act: 3, driver.sync: 2}),
    "no tombstones": Control(forgets_who_held_a_stop, {driver.sync: 2, server.edit: 3}),
}
