"""Positions: a lossy lane that never blocks events (contract §4)."""

from typing import Annotated

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from msgspec import Meta

from backend.clock import parse_time
from backend.identity.callers import CallingDevice
from backend.store import positions
from backend.store.database import Database
from backend.wire.json import read_json
from backend.wire.request_id import AnyRequest

MOST = 500


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
    """How many fixes were good."""

    accepted: int


class PositionController(Controller):
    """One call."""

    @post("/positions", status_code=202, operation_id="sendPositions", opt={"body": PositionsIn})
    async def send(
        self,
        request: AnyRequest,
        device: NamedDependency[CallingDevice],
        db: NamedDependency[Database],
    ) -> PositionsOut:
        """Keep the good fixes of a batch."""
        batch = await read_json(request, PositionsIn)
        fixes = [fix for raw in batch.fixes if (fix := read_fix(raw)) is not None]
        if fixes:
            async with db.begin() as tx:
                await positions.keep(tx, device.id, fixes)
        return PositionsOut(len(fixes))


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
