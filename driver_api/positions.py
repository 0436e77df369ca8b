"""Positions: a lossy lane that never delays events (contract §4, decision 0013)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from msgspec import Meta

from backend.clock import parse_time
from backend.errors import TooManyTries
from backend.identity.callers import CallingDevice
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
    """As many batches as the lane takes are under way; a phone may drop its batch or wait."""

    code = "positions_busy"
    title = "Too many positions at once"


class Lane:
    """So many batches are written at once and so many wait, one of each phone; the rest is shed.

    The lane shares the pool of connections with everything else, and this keeps it from filling it.
    """

    def __init__(self, at_once: int = 2, phones: int = 64) -> None:
        self.turn = asyncio.Semaphore(at_once)
        self._most = phones
        self._phones: set[UUID] = set()

    @contextmanager
    def admit(self, device_id: UUID) -> Iterator[None]:
        """Let a phone in with one batch.

        Raises:
            LaneFull: too many are in, or this phone already is.
        """
        if device_id in self._phones or len(self._phones) >= self._most:
            raise LaneFull(headers={"Retry-After": "5"})
        self._phones.add(device_id)
        try:
            yield
        finally:
            self._phones.discard(device_id)


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
        device: NamedDependency[CallingDevice],
        db: NamedDependency[Database],
        lane: NamedDependency[Lane],
    ) -> PositionsOut:
        """Keep the good fixes of a batch."""
        with lane.admit(device.id):
            batch = await read_json(request, PositionsIn)
            said = [fix for raw in batch.fixes if (fix := read_fix(raw)) is not None]
            async with lane.turn, db.begin() as tx:
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
