"""Nudges: one look at the counters every so often, for however many streams are open here.

A nudge says only that there is something to fetch. It is made from what is committed, by looking:
no transaction that changes something ever notifies, and several changes between two looks are one
nudge. Losing one is harmless, so nothing here needs to be exact: whoever listens learns the
present number first, and later ones as they come (decision 0012).
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from backend.repeats import Repeats
from backend.store import scopes
from backend.store.database import Database

EVERY_S = 0.4
KEEP_ALIVE_S = 25.0
LIFE_S = 900.0  # more or less, so that the streams of a restart do not all end together
_SPREAD = 0.1
_log = logging.getLogger("doorstep.nudges")


@dataclass(frozen=True, slots=True)
class Interest:
    """Who listens to which scopes, and how many streams he may have open."""

    who: UUID
    scopes: tuple[str, ...]
    streams: int
    device: UUID | None = None


@dataclass(eq=False, slots=True)
class Listener:
    """A stream that waits for the next number of its scopes."""

    interest: Interest
    v: int | None = None
    over: bool = False
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, versions: dict[str, int]) -> None:
        """Wake it if the number is news. That of several scopes is their sum: it only grows."""
        v = sum(versions.get(scope, 0) for scope in self.interest.scopes)
        if v != self.v:
            self.v = v
            self.stirred.set()

    def end(self) -> None:
        """Wake it for the last time."""
        self.over = True
        self.stirred.set()


class Nudges:
    """The listeners of this process and the one task that looks for them, while there are any."""

    def __init__(self, db: Database, every_s: float = EVERY_S) -> None:
        self._db = db
        self._every_s = every_s
        self._listeners: defaultdict[UUID, list[Listener]] = defaultdict(list)
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self._repeats = Repeats(_log)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._everybody())

    @contextmanager
    def listen(self, interest: Interest) -> Iterator[Listener]:
        """Be told of numbers during the block; the oldest of too many streams makes room."""
        listener = Listener(interest)
        own = self._listeners[interest.who]
        own.append(listener)
        if len(own) > interest.streams:
            own.pop(0).end()
        if self._closed:
            listener.end()
        elif self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            yield listener
        finally:
            with suppress(ValueError):
                own.remove(listener)
            if not own and self._listeners.get(interest.who) is own:
                del self._listeners[interest.who]

    async def look(self) -> None:
        """Read the counters once, tell those who wait, and end the streams of revoked devices."""
        everybody = self._everybody()
        wanted = {scope for listener in everybody for scope in listener.interest.scopes}
        devices = {each.interest.device for each in everybody if each.interest.device}
        async with self._db.snapshot() as tx:
            seen = await scopes.look(tx, wanted, devices)
        for listener in everybody:
            if listener.interest.device in seen.revoked:
                listener.end()
            else:
                listener.tell(seen.versions)

    def close(self) -> None:
        """End every stream: the process is about to stop."""
        self._closed = True
        for listener in self._everybody():
            listener.end()

    async def stop(self) -> None:
        """End every stream, and stop looking before the database is put away."""
        self.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _everybody(self) -> list[Listener]:
        return [listener for own in self._listeners.values() for listener in own]

    async def _keep_looking(self) -> None:
        while self._listeners and not self._closed:
            self._repeats.tell()
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - an outage passes, and nudges may be lost
                self._repeats.note(error, "the look at the counters")
            await asyncio.sleep(self._every_s)


async def stream(
    nudges: Nudges,
    interest: Interest,
    *,
    life_s: float = LIFE_S,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> AsyncGenerator[bytes, None]:
    """Write numbers as server-sent events, for a bounded time."""
    now = asyncio.get_running_loop().time
    until = now() + life_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
    with nudges.listen(interest) as listener:
        yield b"retry: 5000\n\n"
        while (left := until - now()) > 0:
            try:
                async with asyncio.timeout(min(left, keep_alive_s)):
                    await listener.stirred.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            listener.stirred.clear()
            if listener.over:
                return
            yield b'event: nudge\ndata: {"v": %d}\n\n' % (listener.v or 0)
