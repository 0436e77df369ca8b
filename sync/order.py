"""A skip is carried out: the stop goes behind the others of its route."""

from backend.audit.record import Event, record
from backend.domain.stop import StopState
from backend.store import visits
from backend.tables.plans import Route
from backend.tables.stops import Stop
from sync.case import Answer, Case
from sync.matrix import Ruling
from sync.note import note


async def skip(case: Case, stop: Stop, ruling: Ruling) -> Answer:
    """Put a skipped stop last; its row and its route's are held, so no other stop's need be.

    A new place behind all others leaves theirs alone: two skips, or a skip and an order of the
    office, can never wait for each other's stops.
    """
    change = await _last_place(case, stop)
    entry = await note(case, stop, ruling.outcome, change)
    if change:  # the route lists its stops, so the phone has to hear of it as well
        order = Event("route.resequenced", Route, stop.route_id, cause=case.cause)
        await record(case.tx, case.actor, order)
    return Answer(ruling.outcome, ruling.code, None, stop, entry)


async def _last_place(case: Case, stop: Stop) -> dict[str, object]:
    """Return the change; a visit that is over, or is another's by now, is not moved."""
    mine = stop.manifest_driver_id == case.device.driver_id
    if not mine or StopState(stop.state).is_final:
        return {}
    last = await visits.last_place(case.tx, stop.route_id, besides=stop.id)
    return {} if last < stop.sequence else {"sequence": last + 1}
