"""Server-sent nudges for phones in the foreground (contract §4)."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.response import Stream

from backend.identity.callers import CallingDevice
from backend.store import feed
from backend.store.database import Database
from driver_api.nudges import Nudges, stream


async def nudges(db: NamedDependency[Database]) -> Nudges:
    """Make the one watch of this process."""
    return Nudges(db)


class EventController(Controller):
    """One call that stays open for up to ten minutes."""

    @get("/events", operation_id="listenForNudges", media_type="text/event-stream")
    async def listen(
        self, device: NamedDependency[CallingDevice], nudges: NamedDependency[Nudges]
    ) -> Stream:
        """Tell when there is something to fetch, and nothing of what it is."""
        scope = feed.driver_scope(device.driver_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Stream(stream(nudges, scope), media_type="text/event-stream", headers=headers)
