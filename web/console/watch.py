"""What is wrong right now, and a nudge whenever something changed."""

from datetime import timedelta
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.response import Stream

from backend.clock import rfc3339
from backend.identity.people import SignedIn
from backend.nudges import Interest, Nudges, stream
from backend.store import boards, feed, positions
from backend.store.database import Database, moment
from web.alerts import alerts
from web.paging import Page

# Tabs of one person: each that is in sight holds a stream.
STREAMS = 12
SHOWN_FOR = timedelta(days=1)


class AlertOut(msgspec.Struct, frozen=True):
    """Something wrong right now."""

    kind: str
    since: str
    detail: str
    route_id: UUID | None
    stop_id: UUID | None
    device_id: UUID | None


class FixOut(msgspec.Struct, frozen=True):
    """Where a driver was last; ``mock``: by a position that his phone says was made up."""

    driver_id: UUID
    depot_id: UUID
    at: str
    lat: float
    lon: float
    accuracy_m: float
    speed: float | None
    mock: bool


class WatchController(Controller):
    """Alerts and nudges."""

    @get("/alerts", operation_id="listAlerts")
    async def alerts(
        self, db: NamedDependency[Database], person: NamedDependency[SignedIn]
    ) -> Page[AlertOut]:
        """List late stops, long visits, overdue evidence and troubled devices, longest first."""
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

    @get("/positions", operation_id="listPositions")
    async def whereabouts(
        self, db: NamedDependency[Database], person: NamedDependency[SignedIn]
    ) -> Page[FixOut]:
        """List where the drivers in scope were last, if that is less than a day ago."""
        async with db.snapshot() as tx:
            found = await positions.whereabouts(tx, person.scope, moment(tx) - SHOWN_FOR)
        return Page(
            [
                FixOut(
                    f.driver_id,
                    f.depot_id,
                    rfc3339(f.at),
                    f.lat,
                    f.lon,
                    f.accuracy_m,
                    f.speed,
                    f.mock,
                )
                for f in found
            ]
        )

    @get("/events", operation_id="watchConsole", media_type="text/event-stream")
    async def events(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        nudges: NamedDependency[Nudges],
    ) -> Stream:
        """Nudge when something changed on the boards in scope; ``/changes`` tells what."""
        async with db.snapshot() as tx:
            depots = await boards.seen_by(tx, person.scope)
        scopes = tuple(feed.depot_scope(depot) for depot in depots)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        told = stream(nudges, Interest(person.id, scopes, STREAMS))
        return Stream(told, media_type="text/event-stream", headers=headers)
