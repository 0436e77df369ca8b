"""Server-sent nudges for phones in the foreground (contract §4)."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.response import Stream

from backend.identity.callers import CallingDevice
from backend.nudges import Interest, Nudges, stream
from backend.store import feed

# One in use, and one or two that the phone gave up without our hearing of it.
STREAMS = 3


class EventController(Controller):
    """One call that stays open for about a quarter of an hour."""

    @get("/events", operation_id="listenForNudges", media_type="text/event-stream")
    async def listen(
        self, device: NamedDependency[CallingDevice], nudges: NamedDependency[Nudges]
    ) -> Stream:
        """Tell when there is something to fetch, and nothing of what it is."""
        scope = feed.driver_scope(device.driver_id)
        interest = Interest(device.id, (scope,), STREAMS, device=device.id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Stream(stream(nudges, interest), media_type="text/event-stream", headers=headers)
