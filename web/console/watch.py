"""What is wrong right now, and a nudge whenever something changed."""

from collections.abc import AsyncGenerator
from uuid import UUID

import anyio
import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.response import Stream

from backend.clock import rfc3339
from backend.identity.people import SignedIn
from backend.store import watch as store
from backend.store.database import Database
from web.alerts import alerts
from web.paging import Page

# A stream ends by itself and the browser comes again: so a server can stop within its time.
LIFE_S = 25
LOOK_EVERY_S = 1.0


class AlertOut(msgspec.Struct, frozen=True):
    """Something wrong right now."""

    kind: str
    since: str
    detail: str
    route_id: UUID
    stop_id: UUID | None
    device_id: UUID | None


class WatchController(Controller):
    """Alerts and nudges."""

    @get("/alerts", operation_id="listAlerts")
    async def alerts(
        self, db: NamedDependency[Database], person: NamedDependency[SignedIn]
    ) -> Page[AlertOut]:
        """List late stops, long visits, silent devices and overdue evidence, longest first."""
        async with db.snapshot() as tx:
            found = await alerts(tx, person)
        return Page(
            [
                AlertOut(
                    a.kind.value, rfc3339(a.since), a.detail, a.route_id, a.stop_id, a.device_id
                )
                for a in found
            ]
        )

    @get("/events", operation_id="watchConsole")
    async def events(
        self, db: NamedDependency[Database], person: NamedDependency[SignedIn]
    ) -> Stream:
        """Nudge whenever something changed on a manifest in scope; no content, ask for the rest."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Stream(nudges(db, person), media_type="text/event-stream", headers=headers)


async def nudges(db: Database, person: SignedIn) -> AsyncGenerator[bytes, None]:
    """Look once a second whether anything changed, and say so with a number."""
    seen = None
    yield b"retry: 1000\n\n"
    for _ in range(int(LIFE_S / LOOK_EVERY_S)):
        async with db.snapshot() as tx:
            v = await store.pulse(tx, person.scope)
        if v != seen:
            seen = v
            yield b'event: nudge\ndata: {"v": %d}\n\n' % v
        else:
            yield b": still here\n\n"
        await anyio.sleep(LOOK_EVERY_S)
