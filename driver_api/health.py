"""Health for whoever runs the process: is it alive, can it serve (contract §4)."""

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency

from backend.errors import Unavailable
from backend.store import migrated
from backend.store.database import Database


class HealthOut(msgspec.Struct, frozen=True):
    """One word."""

    status: str


class NotReady(Unavailable):
    """The database is not of this version's shape."""

    code = "not_ready"
    title = "Not ready to serve"


class HealthController(Controller):
    """Two calls without a token, which tell nothing but a word."""

    path = "/health"
    tags = ("health",)

    @get("/live", opt={"public": True}, operation_id="isAlive")
    async def live(self) -> HealthOut:
        """Answer, which is the whole proof of life."""
        return HealthOut("live")

    @get("/ready", opt={"public": True}, operation_id="isReady")
    async def ready(self, db: NamedDependency[Database]) -> HealthOut:
        """Ask the database, and whether it is migrated."""
        async with db.snapshot() as tx:
            if not await migrated.is_current(tx):
                raise NotReady("the database waits for its migrations")
        return HealthOut("ready")
