"""Positions: a lossy lane that never delays events (contract §4, decision 0013)."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from msgspec import Meta

from backend.clock import parse_time
from backend.errors import TooManyTries
from backend.identity.callers import live, named_device
from backend.keys import Keys
from backend.store import positions
from backend.store.database import Database, moment
from backend.wire.json import read_json
from backend.wire.request_id import AnyRequest

MOST = 500
# A phone's clock may be ahead; a fix of the day after tomorrow would be the newest for two days.
AHEAD = timedelta(minutes=5)
# Older fixes are of a month that nobody looks at any more.
LATEST = timedelta(days=31)


class LaneFull(TooManyTries):
    """More batches than the lane takes; a phone may drop its batch or wait."""

    code = "positions_busy"
    title = "Too many positions at once"


class Pace:
    """Lets somebody through every so often, and a number of times at once after a pause."""

    def __init__(self, every_s: float, at_once: int) -> None:
        self._every_s = every_s
        self._ahead_s = every_s * at_once
        self._due: dict[UUID | None, float] = {}

    def charge(self, who: UUID | None, turns: float) -> None:
        """Count what somebody brought as so many turns more than the one he was let in for."""
        if who in self._due:
            self._due[who] += turns * self._every_s

    def wait(self, who: UUID | None, now: float) -> float:
        """Let somebody through and return 0, or return for how long he has to wait."""
        due = max(self._due.get(who, now), now) + self._every_s
        if due - now > self._ahead_s:
            return due - now - self._ahead_s
        self._due[who] = due
        if len(self._due) > _REMEMBERED:
            self._due = {each: at for each, at in self._due.items() if at > now}
        return 0.0


_REMEMBERED = 10_000
_ORDINARY = 10  # fixes in a batch of a phone that has a network


class Lane:
    """A process takes so many batches a second, and so many of one phone; the rest is shed.

    The lane shares the processor and the pool of connections with everything else: this keeps it
    from filling them. Fifty a second are a fleet of five hundred. A batch counts once for every ten
    fixes or part of ten, so that fifty large ones are not what fifty small ones are.
    """

    def __init__(self, at_once: int = 1, most: int = 64) -> None:
        self.turn = asyncio.Semaphore(at_once)
        self._most = most
        self._batches = 0
        self._each = Pace(1.0, at_once=12)
        self._all = Pace(0.02, at_once=200)

    def weigh(self, fixes: int) -> None:
        """Count a batch that was let in by what is in it."""
        self._all.charge(None, max(0, ceil(fixes / _ORDINARY) - 1))

    @contextmanager
    def admit(self, device_id: UUID, now: float) -> Iterator[None]:
        """Let a phone in with a batch.

        Raises:
            LaneFull: too many batches are in, or came too often.
        """
        if self._batches >= self._most:
            raise LaneFull(headers={"Retry-After": "5"})
        wait = self._each.wait(device_id, now) or self._all.wait(None, now)
        if wait:
            raise LaneFull(headers={"Retry-After": str(ceil(wait))})
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1


async def lane() -> Lane:
    """Make the one lane of this process."""
    return Lane()


class FixIn(msgspec.Struct, frozen=True):
    """Where the phone was."""

    at: Annotated[str, Meta(max_length=40)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=1e7)]
    speed: Annotated[float, Meta(ge=-1, le=1e4)] | None = None
    mock: bool = False


class PositionsIn(msgspec.Struct, frozen=True):
    """A batch of fixes, each read on its own: a bad one is dropped, the others stay."""

    fixes: Annotated[list[msgspec.Raw], Meta(max_length=MOST)]


class PositionsOut(msgspec.Struct, frozen=True):
    """How many fixes were good; a repeated one still is."""

    accepted: int


class PositionController(Controller):
    """One call."""

    @post("/positions", status_code=202, operation_id="sendPositions", opt={"body": PositionsIn})
    async def send(
        self,
        request: AnyRequest,
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        lane: NamedDependency[Lane],
    ) -> PositionsOut:
        """Keep the good fixes of a batch; its device is looked up when it is its turn."""
        device_id = named_device(request, keys, db.now())
        with lane.admit(device_id, time.monotonic()):
            batch = await read_json(request, PositionsIn)
            lane.weigh(len(batch.fixes))
            said = [fix for raw in batch.fixes if (fix := read_fix(raw)) is not None]
            async with lane.turn, db.begin() as tx:
                device = await live(tx, device_id)
                fixes = [fix for fix in said if can_be(fix.at, moment(tx))]
                await positions.keep(tx, device.id, device.driver_id, fixes)
        return PositionsOut(len(fixes))


def can_be(at: datetime, now: datetime) -> bool:
    """Tell whether a fix may be of that time, and is not of one long over."""
    return now - LATEST <= at <= now + AHEAD


def read_fix(raw: msgspec.Raw) -> positions.Fix | None:
    """Read one fix; None if it is none."""
    try:
        said = msgspec.json.decode(raw, type=FixIn)
        at = parse_time(said.at)
    except (ValueError, RecursionError):
        return None
    return positions.Fix(
        at=at,
        lat=said.lat,
        lon=said.lon,
        accuracy_m=said.accuracy_m,
        speed=said.speed,
        mock=said.mock,
    )
