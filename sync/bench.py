"""Where mutations are judged: the rows they speak of are held here, in lock order."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

from backend.domain.people import ActorType
from backend.domain.stop import StopState
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import mutations as store
from backend.store import visits
from backend.store.database import Tx
from backend.store.visits import ClosedBy
from backend.tables.plans import Route
from backend.tables.stops import Stop
from sync import journey, visit
from sync.case import Answer, Case
from sync.clockwork import Estimate
from sync.decide import Closer, Known
from sync.kinds import About, about
from sync.matrix import Outcome
from sync.mutations import Fault, Heard, Mutation
from sync.words import LostEvents, Resequenced

_UNKNOWN = Answer(Outcome.HELD, "unknown_stop", "no such stop or route is known for this driver")


@dataclass(slots=True)
class _Held:
    """The rows a chunk speaks of, and what is known around them."""

    stops: dict[UUID, Stop] = field(default_factory=dict)
    routes: dict[UUID, Route] = field(default_factory=dict)
    office: dict[UUID, int] = field(default_factory=dict)
    closers: dict[UUID, ClosedBy] = field(default_factory=dict)
    left: set[UUID] = field(default_factory=set)


class Bench:
    """Judges the mutations of one device within one transaction."""

    def __init__(self, tx: Tx, keys: Keys, device: CallingDevice) -> None:
        self._tx = tx
        self._keys = keys
        self._device = device
        self._held = _Held()

    async def prepare(self, readable: Iterable[Mutation | Fault]) -> None:
        """Hold the stops, then the routes, that the mutations speak of; read them afresh."""
        stop_ids, route_ids = _spoken_of(readable)
        driver = self._device.driver_id
        stops = await visits.lock_stops(self._tx, driver, stop_ids)
        self._held.stops |= stops
        self._held.routes |= await visits.lock_routes(self._tx, driver, route_ids)
        self._held.office |= await visits.office_versions(self._tx, stops.keys())
        self._held.closers |= await visits.closers(self._tx, stops.values())
        withdrawn = [stop.id for stop in stops.values() if stop.manifest_driver_id is None]
        self._held.left |= await visits.left_with(self._tx, driver, withdrawn)

    def knows(self, stop_id: UUID | None) -> bool:
        """Whether this stop is, or once was, the driver's."""
        return stop_id in self._held.stops

    def waits(self, mutation: Mutation) -> bool:
        """Whether what the mutation speaks of is still unknown for this driver."""
        frame = mutation.frame
        match about(mutation.kind):
            case About.STOP:
                return frame.stop_id not in self._held.stops
            case About.ROUTE:
                return frame.route_id not in self._held.routes
            case About.DEVICE:
                return False

    async def judge(self, heard: Heard, mutation: Mutation, when: Estimate) -> Answer:
        """Judge one readable mutation that happened at the moment given."""
        case = Case(self._tx, self._keys, self._device, heard, mutation, when)
        match about(mutation.kind):
            case About.DEVICE:
                return self._lost(heard, mutation)
            case About.ROUTE:
                route = self._held.routes.get(mutation.frame.route_id or self._device.id)
                return await journey.judge(case, route) if route else _UNKNOWN
            case About.STOP:
                return await self._visit(case)

    async def _visit(self, case: Case) -> Answer:
        stop = self._held.stops.get(case.mutation.frame.stop_id or self._device.id)
        if stop is None:
            return _UNKNOWN
        closed = self._held.closers.get(stop.id)
        before = stop.closed_by
        answer = await visit.judge(case, stop, self._known(stop, closed), closed)
        if stop.closed_by != before:
            actor = case.actor
            self._held.closers[stop.id] = ClosedBy(actor.type.value, actor.id, case.heard.id)
        return answer if answer.row is not None else replace(answer, stop=stop)

    def _known(self, stop: Stop, closed: ClosedBy | None) -> Known:
        return Known(
            state=StopState(stop.state),
            is_mine=self._is_mine(stop),
            office_version=self._held.office.get(stop.id, 0),
            closer=self._closer(closed),
        )

    def _is_mine(self, stop: Stop) -> bool:
        """A day that was closed took the stop off the manifest, not from its driver."""
        if stop.manifest_driver_id is None:
            return stop.id in self._held.left
        return stop.manifest_driver_id == self._device.driver_id

    def _closer(self, closed: ClosedBy | None) -> Closer:
        if closed is None or closed.source != ActorType.DRIVER:
            return Closer.OFFICE
        mine = closed.actor_id == str(self._device.driver_id)
        return Closer.SELF if mine else Closer.OTHER_DRIVER

    def _lost(self, heard: Heard, mutation: Mutation) -> Answer:
        """Close a range that the phone no longer has; it must begin with this very number."""
        body = mutation.body
        if not isinstance(body, LostEvents) or body.from_n != heard.n:
            return Answer(Outcome.QUARANTINED, "malformed", "from_n is not the mutation's own n")
        store.close_range(self._tx, self._device.id, body.from_n, body.to_n)
        return Answer(Outcome.APPLIED)


def _spoken_of(readable: Iterable[Mutation | Fault]) -> tuple[set[UUID], set[UUID]]:
    stops: set[UUID] = set()
    routes: set[UUID] = set()
    for mutation in readable:
        if isinstance(mutation, Fault):
            continue
        stops |= {mutation.frame.stop_id} if mutation.frame.stop_id else set()
        routes |= {mutation.frame.route_id} if mutation.frame.route_id else set()
        if isinstance(mutation.body, Resequenced):
            stops |= set(mutation.body.stop_ids)
    return stops, routes
