"""Nudges: one look at the scope counters a second, for however many phones are listening.

A nudge says only that there is something to fetch. Losing one is harmless, so nothing here needs
to be exact: a phone that listens learns the present number first, and later ones as they come.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from backend.store import feed
from backend.store.database import Database

EVERY_S = 1.0
KEEP_ALIVE_S = 15.0
LIFE_S = 600.0
MOST_PER_SCOPE = 8
_log = logging.getLogger("doorstep.nudges")


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who waits for the next number of a scope."""

    v: int | None = None
    over: bool = False
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, v: int) -> None:
        """Wake it if the number is news."""
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
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, scope: str) -> Iterator[Listener]:
        """Be told of a scope's numbers during the block; the oldest of many makes room."""
        listener = Listener()
        crowd = self._listeners[scope]
        crowd.append(listener)
        if len(crowd) > MOST_PER_SCOPE:
            crowd.pop(0).end()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            yield listener
        finally:
            with suppress(ValueError):
                crowd.remove(listener)
            if not crowd:
                self._listeners.pop(scope, None)

    async def look(self) -> None:
        """Read the counters once and tell those who wait."""
        async with self._db.snapshot() as tx:
            versions = await feed.versions(tx, list(self._listeners))
        for scope, crowd in list(self._listeners.items()):
            for listener in crowd:
                listener.tell(versions.get(scope, 0))

    async def _keep_looking(self) -> None:
        while self._listeners:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - an outage passes, and nudges may be lost
                _log.warning("no look at the counters: %s", error)
            await asyncio.sleep(self._every_s)


async def stream(
    nudges: Nudges, scope: str, *, life_s: float = LIFE_S, keep_alive_s: float = KEEP_ALIVE_S
) -> AsyncGenerator[bytes, None]:
    """Write a scope's numbers as server-sent events, for a bounded time."""
    until = asyncio.get_running_loop().time() + life_s
    with nudges.listen(scope) as listener:
        yield b"retry: 5000\n\n"
        while (left := until - asyncio.get_running_loop().time()) > 0:
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
