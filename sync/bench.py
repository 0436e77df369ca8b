"""Where mutations are judged: the rows they speak of are held here, in lock order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec.structs import replace

from backend.domain.people import ActorType
from backend.domain.stop import StopState
from backend.identity.callers import CallingDevice
from backend.keys import Keys
from backend.store import dispatch, doors, visits
from backend.store import mutations as store
from backend.store.database import Tx, flush, moment
from backend.store.visits import Told
from backend.tables.plans import Route
from backend.tables.stops import Stop
from sync import journey, visit
from sync.case import Answer, Case
from sync.clockwork import Estimate
from sync.decide import Change, Closer, Holder, Known, uniform
from sync.kinds import CORRECTABLE, About, Kind, about
from sync.matrix import Outcome, Situation
from sync.mutations import Fault, Heard, Mutation
from sync.note import name_evidence, names_files
from sync.words import LostEvents, Resequenced

_UNKNOWN = Answer(
    uniform(Situation.UNKNOWN).outcome,
    "unknown_stop",
    "no such stop or route is known for this driver",
)


@dataclass(slots=True)
class _Held:
    """The rows a chunk speaks of, and what is known around them."""

    stops: dict[UUID, Stop] = field(default_factory=dict)
    routes: dict[UUID, Route] = field(default_factory=dict)
    since: dict[UUID, int] = field(default_factory=dict)
    told: dict[UUID, list[Told]] = field(default_factory=dict)
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
        heard = list(readable)
        mutations = [each for each in heard if isinstance(each, Mutation)]
        stop_ids, route_ids = _spoken_of(mutations)
        stop_ids |= _named_at(heard)
        for id_, base in _seen(mutations):
            self._held.since[id_] = min(base, self._held.since.get(id_, base))
        driver = self._device.driver_id
        stops = await visits.lock_stops(self._tx, driver, stop_ids)
        self._held.stops |= stops
        route_ids |= {stops[id_].route_id for id_ in _about(_SKIPPED, mutations) & stops.keys()}
        ending = [stops[id_] for id_ in _about(CORRECTABLE, mutations) & stops.keys()]
        taken = {stop.route_id for stop in ending if stop.manifest_driver_id not in {None, driver}}
        taken |= {stops[id_].route_id for id_ in _about(_MENDED, mutations) & stops.keys()}
        if taken:  # routes that list a stop less or more: one order for all this chunk changes
            await visits.hold_routes(self._tx, taken | route_ids)
        self._held.routes |= await visits.lock_routes(self._tx, driver, route_ids)
        self._held.told |= await visits.told(
            self._tx, stops.values(), self._held.since, self._device.id
        )
        withdrawn = [stop.id for stop in stops.values() if stop.manifest_driver_id is None]
        self._held.left |= await visits.left_with(self._tx, driver, withdrawn)
        await self._foresee(ending)

    async def _foresee(self, ending: Sequence[Stop]) -> None:
        """Read at once what the ends of these visits will each ask for."""
        if ending:
            await doors.foresee(self._tx, [stop.id for stop in ending])
            await dispatch.foresee_endings(self._tx, {stop.consignment_id for stop in ending})

    def knows(self, stop_id: UUID | None) -> bool:
        """Whether this stop is, or once was, the driver's."""
        return stop_id in self._held.stops

    async def name_in_vain(self, heard: Heard) -> None:
        """Keep which files an event names that was not taken: they go with its stop."""
        frame = heard.read.frame
        stop = self._held.stops.get(frame.stop_id) if frame and frame.stop_id else None
        if stop is not None:
            await name_evidence(self._tx, self._device, heard, stop.id, counts=False)

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
        before = stop.closed_by
        answer = await visit.judge(case, stop, self._known(stop), self._closed(stop))
        if case.mutation.kind is Kind.STOP_CORRECTED:
            await self._look_again(stop)
        elif stop.closed_by is not None and stop.closed_by != before:
            self._held.told.setdefault(stop.id, []).append(_own(case, stop.closed_by, stop))
        return answer if answer.row is not None else replace(answer, stop=stop)

    async def _look_again(self, stop: Stop) -> None:
        """A correction may leave the stop as somebody else ended it."""
        await flush(self._tx)
        self._held.told |= await visits.told(self._tx, [stop], self._held.since, self._device.id)

    def _known(self, stop: Stop) -> Known:
        told = self._held.told.get(stop.id, [])
        changes = [self._change(each) for each in told if self._is_change(each)]
        return Known(
            state=StopState(stop.state),
            holder=self._holder(stop),
            closer=self._closer(self._closed(stop)),
            changes=tuple(changes),
        )

    def _closed(self, stop: Stop) -> Told | None:
        told = self._held.told.get(stop.id, [])
        return next((each for each in told if each.id == stop.closed_by), None)

    def _holder(self, stop: Stop) -> Holder:
        """A day that was closed took the stop off the manifest, not from its driver."""
        if stop.manifest_driver_id is None:
            return Holder.LEFT if stop.id in self._held.left else Holder.OTHER
        mine = stop.manifest_driver_id == self._device.driver_id
        return Holder.SELF if mine else Holder.OTHER

    def _closer(self, closed: Told | None) -> Closer:
        if closed is None or closed.source != ActorType.DRIVER:
            return Closer.OFFICE
        if closed.actor_id != str(self._device.driver_id):
            return Closer.OTHER_DRIVER
        return Closer.SELF if closed.device_id == self._device.id else Closer.OTHER_DEVICE

    def _is_change(self, each: Told) -> bool:
        """The office, or another device of this driver; what other drivers did, the state tells."""
        if each.source != ActorType.DRIVER:
            return True
        return each.actor_id == str(self._device.driver_id) and each.device_id != self._device.id

    def _change(self, each: Told) -> Change:
        return Change(
            version=each.version,
            kind=each.kind,
            at=each.decisive,
            by_office=each.source != ActorType.DRIVER,
            to=each.to,
            barcode=each.barcode,
        )

    def _lost(self, heard: Heard, mutation: Mutation) -> Answer:
        """Close a range that the phone no longer has; it must begin with this very number."""
        body = mutation.body
        if not isinstance(body, LostEvents) or body.from_n != heard.n:
            return Answer(Outcome.QUARANTINED, "malformed", "from_n is not the mutation's own n")
        store.close_range(self._tx, self._device.id, body.from_n, body.to_n)
        return Answer(Outcome.APPLIED)


def _own(case: Case, event_id: UUID, stop: Stop) -> Told:
    """Return what this very transaction recorded as the end of the visit."""
    return Told(
        id=event_id,
        stop_id=stop.id,
        version=stop.version,
        kind=case.mutation.kind.value,
        source=case.actor.type.value,
        actor_id=case.actor.id,
        device_id=case.device.id,
        mutation_id=case.heard.id,
        happened=case.when.happened,
        uncertainty_ms=case.when.uncertainty_ms,
        bounded=case.when.bounded,
        known=moment(case.tx),
        to=None,
        barcode=None,
    )


def _named_at(heard: Iterable[Mutation | Fault]) -> set[UUID]:
    """Return the stops of which broken mutations name files."""
    broken = (each.frame for each in heard if isinstance(each, Fault) and names_files(each))
    return {frame.stop_id for frame in broken if frame and frame.stop_id}


_MENDED = frozenset({Kind.STOP_CORRECTED})
_SKIPPED = frozenset({Kind.STOP_SKIPPED})


def _about(kinds: frozenset[Kind], mutations: Iterable[Mutation]) -> set[UUID]:
    """Return the stops that mutations of these kinds speak of."""
    return {
        mutation.frame.stop_id
        for mutation in mutations
        if mutation.kind in kinds and mutation.frame.stop_id is not None
    }


def _seen(mutations: Iterable[Mutation]) -> Iterator[tuple[UUID, int]]:
    """Return which version of which stop the driver was looking at."""
    for mutation in mutations:
        frame = mutation.frame
        if frame.stop_id is not None and frame.base is not None:
            yield frame.stop_id, frame.base


def _spoken_of(mutations: Iterable[Mutation]) -> tuple[set[UUID], set[UUID]]:
    stops: set[UUID] = set()
    routes: set[UUID] = set()
    for mutation in mutations:
        stops |= {mutation.frame.stop_id} if mutation.frame.stop_id else set()
        routes |= {mutation.frame.route_id} if mutation.frame.route_id else set()
        if isinstance(mutation.body, Resequenced):
            stops |= set(mutation.body.stop_ids)
    return stops, routes
