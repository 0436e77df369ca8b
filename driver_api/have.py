"""What survived: after a failover a phone asks which of its mutations are here (contract §4)."""

from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from backend.errors import InputError
from backend.identity.callers import CallingDevice
from backend.ids import parse_id
from backend.store import had
from backend.store.database import Database
from backend.wire.json import InputInvalid

MOST = 200


class HaveOut(msgspec.Struct, frozen=True):
    """Those of the ids that are kept here, as they were asked for."""

    have: list[str]


class HaveController(Controller):
    """One call."""

    @get("/have", operation_id="askWhatIsHeld")
    async def ask(
        self,
        ids: Annotated[str, QueryParameter(description="mutation ids, comma-separated")],
        device: NamedDependency[CallingDevice],
        db: NamedDependency[Database],
    ) -> HaveOut:
        """Tell which mutations of this driver's devices are held."""
        asked = [name for name in ids.split(",") if name]
        if len(asked) > MOST:
            told = InputError("/ids", "wrong_length", f"at most {MOST} ids")
            raise InputInvalid(errors=[told])
        # An id that is no UUID cannot be here; that is an answer, and blocks no other.
        known = {name: parsed for name in asked if (parsed := parse_id(name)) is not None}
        async with db.snapshot() as tx:
            found = await had.of_driver(tx, device.driver_id, set(known.values()))
        return HaveOut([name for name in asked if known.get(name) in found])
