"""Nudges: numbers and nothing else, from one look for all, for a bounded time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import anyio
import pytest
from sqlalchemy import event

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.nudges import Interest, Nudges, stream
from backend.store import feed
from backend.store.database import Database, moment
from backend.tables.devices import Device
from tests.fixtures.phones import a_phone, settings_for

pytestmark = pytest.mark.anyio

RETRY, QUIET = b"retry: 5000\n\n", b": still here\n\n"


class Watch(Protocol):
    """Makes the nudges of a process."""

    def __call__(self, *, other: Database | None = None, every_s: float = 60) -> Nudges: ...


@pytest.fixture
async def watch(db: Database) -> AsyncIterator[Watch]:
    """Nudges that look at their first listener, then when told to, and stop with the test."""
    made: list[Nudges] = []

    def make(*, other: Database | None = None, every_s: float = 60) -> Nudges:
        made.append(Nudges(other or db, every_s))
        return made[-1]

    yield make
    for nudges in made:
        await nudges.stop()


def somebody(*scopes: str, streams: int = 3, device: UUID | None = None) -> Interest:
    """Interest in scopes of one's own, unless given."""
    return Interest(uuid4(), scopes or (feed.driver_scope(uuid4()),), streams, device)


def nudge(v: int) -> bytes:
    """The event with a number."""
    return b'event: nudge\ndata: {"v": %d}\n\n' % v


async def change(db: Database, scope: str) -> None:
    """Change something in a scope."""
    async with db.begin() as tx:
        feed.touch(tx, scope, "stop", "x")


async def rest_of(events: AsyncGenerator[bytes, None]) -> list[bytes]:
    """What a stream still tells before it ends."""
    with anyio.fail_after(10):
        return [piece async for piece in events]


async def test_a_listener_learns_every_new_number(db: Database, watch: Watch) -> None:
    """The present number comes first, then each change that was looked at."""
    nudges, who = watch(every_s=0), somebody()
    async with aclosing(stream(nudges, who)) as events:
        assert await anext(events) == RETRY
        assert await anext(events) == nudge(0)
        for v in (1, 2):
            await change(db, who.scopes[0])
            assert await anext(events) == nudge(v)


async def test_several_changes_between_two_looks_are_one_nudge(db: Database, watch: Watch) -> None:
    """Nobody is told of a number that is past already; several scopes are their sum."""
    one, two = (feed.driver_scope(uuid4()) for _ in range(2))
    nudges = watch()
    with nudges.listen(somebody(one, two)) as listener:
        await nudges.look()
        listener.stirred.clear()
        for scope in (one, two, one):
            await change(db, scope)
        await nudges.look()
        assert (listener.v, listener.stirred.is_set()) == (3, True)
        listener.stirred.clear()
        await nudges.look()
        assert not listener.stirred.is_set()


async def test_one_look_serves_everybody(db: Database, watch: Watch) -> None:
    """However many streams are open, a look is one statement and writes nothing."""
    said: list[str] = []
    engine = db._engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    nudges, scopes = watch(), [feed.driver_scope(uuid4()) for _ in range(60)]
    with ExitStack() as everybody:
        for scope in scopes:
            everybody.enter_context(nudges.listen(somebody(scope)))
        await nudges.look()
        assert nudges.streams == 60
    assert 1 <= len(said) <= 2  # ours, and perhaps that of the task
    assert all("FROM scope WHERE id = ANY" in text for text in said)


async def test_every_process_hears_what_any_committed(
    db: Database, pg_url: str, watch: Watch
) -> None:
    """Two API processes look for themselves: neither needs to be told by the other."""
    other, who = Database(pg_url), somebody()
    watches = [watch(every_s=0), watch(other=other, every_s=0)]
    streams = [stream(nudges, who) for nudges in watches]
    for opened in streams:
        assert [await anext(opened), await anext(opened)] == [RETRY, nudge(0)]
    await change(db, who.scopes[0])
    for opened in streams:
        assert await anext(opened) == nudge(1)
        await opened.aclose()
    await watches[1].stop()
    await other.close()


async def test_a_life_is_bounded(watch: Watch) -> None:
    """A stream ends by itself, and its client comes again."""
    nudges = watch()
    assert await rest_of(stream(nudges, somebody(), life_s=0)) == [RETRY]
    assert nudges.streams == 0


async def test_the_oldest_of_too_many_streams_makes_room(watch: Watch) -> None:
    """The limit is a device's own: another device of the same driver keeps its streams."""
    nudges, who = watch(), somebody(streams=2)
    other = Interest(uuid4(), who.scopes, 2)
    streams = [stream(nudges, interest) for interest in (other, who, who, who)]
    for opened in streams:
        assert await anext(opened) == RETRY
    assert await rest_of(streams[1]) == []
    assert nudges.streams == 3
    for opened in streams:
        await opened.aclose()
    assert nudges.streams == 0


async def test_quiet_streams_are_kept_alive(watch: Watch) -> None:
    """A comment keeps proxies from closing a quiet stream."""
    async with aclosing(stream(watch(), somebody(), keep_alive_s=0)) as events:
        assert [await anext(events), await anext(events)] == [RETRY, QUIET]


async def test_a_revoked_device_hears_no_more(
    db: Database, pg_url: str, tmp_path: Path, watch: Watch
) -> None:
    """Its stream ends at the next look; that of the driver's other device goes on."""
    phone = await a_phone(db, settings_for(pg_url, tmp_path))
    scope, nudges = feed.driver_scope(phone.driver_id), watch()
    revoked = stream(nudges, somebody(scope, device=phone.id))
    other = stream(nudges, somebody(scope))
    for opened in (revoked, other):
        assert await anext(opened) == RETRY
    async with db.begin() as tx:
        gone = {"revoked_at": moment(tx)}
        await record(tx, SYSTEM, Event("device.revoked", Device, phone.id, gone))
    await nudges.look()
    assert nudge(0) not in (await rest_of(revoked))[1:]
    assert nudges.streams == 1
    await other.aclose()


async def test_closing_ends_every_stream_and_admits_no_new_one(watch: Watch) -> None:
    """The process can stop at once, whoever listens and whoever comes last."""
    nudges = watch()
    streams = [stream(nudges, somebody()) for _ in range(50)]
    for opened in streams:
        await anext(opened)
    nudges.close()
    for opened in (*streams, stream(nudges, somebody())):
        assert nudge(0) not in await rest_of(opened)
    assert nudges.streams == 0


async def test_an_outage_passes(
    db: Database, watch: Watch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that fails is logged, and the next one tells what was missed."""
    nudges, who = watch(every_s=0), somebody()
    failed = asyncio.Event()

    def broken() -> None:
        failed.set()
        raise OSError("gone")

    async with aclosing(stream(nudges, who)) as events:
        assert [await anext(events), await anext(events)] == [RETRY, nudge(0)]
        with monkeypatch.context() as patch:
            patch.setattr(db, "snapshot", broken)
            await failed.wait()
        await change(db, who.scopes[0])
        assert await anext(events) == nudge(1)
    assert "the look at the counters failed" in caplog.text
