"""Requests that take turns, statement by statement, in an order that the seed alone decides.

One goes from its point to the next while all others stand. One that waits for a lock is found out
by asking the database whom it waits for, so that it is never waited for itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field

import asyncpg

from tests.simulator.dice import Dice
from tests.simulator.points import Request, serving

_PATIENCE_S = 0.004
_BLOCKED = "SELECT cardinality(pg_blocking_pids($1)) > 0"


@dataclass(slots=True)
class _Lane:
    """A request among others."""

    name: int
    task: "asyncio.Task[object] | None" = None
    gate: "asyncio.Future[None] | None" = None
    pid: int = 0
    blocked: bool = False

    @property
    def stands(self) -> bool:
        """Whether it waits for its turn."""
        return self.gate is not None

    @property
    def runs(self) -> bool:
        """Whether it is under way, or waits for a lock."""
        return self.task is not None and not self.task.done() and self.gate is None


@dataclass(slots=True)
class Turns:
    """Lets requests take turns."""

    dice: Dice
    observer: "asyncpg.Connection[asyncpg.Record]"
    order: list[int] = field(default_factory=list)
    waits: int = 0
    _lanes: list[_Lane] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(
        self, works: Sequence[tuple[Request, Callable[[], Awaitable[object]]]]
    ) -> list[object]:
        """Run them all to their ends; return what each returned."""
        for name, (request, work) in enumerate(works):
            lane = _Lane(name)
            self._lanes.append(lane)
            request.turn = self._turn(lane)
            lane.task = asyncio.create_task(
                self._serve(lane, request, work), context=copy_context()
            )
        await self._until_settled()
        while any(lane.stands for lane in self._lanes):
            lane = self.dice.pick([lane for lane in self._lanes if lane.stands])
            self.order.append(lane.name)
            gate, lane.gate = lane.gate, None
            assert gate is not None
            gate.set_result(None)
            await self._until_settled()
        return [lane.task.result() for lane in self._lanes if lane.task is not None]

    async def _serve(
        self, lane: _Lane, request: Request, work: Callable[[], Awaitable[object]]
    ) -> object:
        serving.set(request)
        try:
            return await work()
        finally:
            self._moved.set()

    def _turn(self, lane: _Lane) -> Callable[[int], Awaitable[None]]:
        async def turn(pid: int) -> None:
            lane.pid, lane.blocked = pid, False
            lane.gate = asyncio.get_running_loop().create_future()
            self._moved.set()
            await lane.gate

        return turn

    async def _until_settled(self) -> None:
        """Wait until each stands at a point, is done, or waits for one that stands."""
        while True:
            await asyncio.sleep(0)
            running = [lane for lane in self._lanes if lane.runs]
            if not running:
                return
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), _PATIENCE_S)
            except TimeoutError:
                if await self._all_wait(running):
                    return

    async def _all_wait(self, running: Sequence[_Lane]) -> bool:
        """Whether all of these wait for locks that somebody who stands holds.

        Where nobody stands they wait for each other, and the database ends that by itself.
        """
        if not any(lane.stands for lane in self._lanes):
            return False
        for lane in running:
            if not lane.pid or not await self.observer.fetchval(_BLOCKED, lane.pid):
                return False
        self.waits += len(running)
        return all(lane.runs for lane in running)
