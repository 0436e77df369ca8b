"""The ground of a history: a small depot with its crews, a neighbour, and visits to be made.

Several are laid in one transaction, through the one writer, because most of what it costs is the
same for one row as for fifty.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.domain.segment import Policy, policy_to_wire
from backend.keys import tracking_hash, tracking_token
from backend.store import segments
from backend.store.database import Database, Tx, moment
from backend.tables.base import Audited
from backend.tables.consignments import Consignment, Parcel
from backend.tables.devices import Device, DeviceJournal
from backend.tables.fleet import Depot, Driver, Shift, Vehicle
from backend.tables.plans import Plan, Route
from backend.tables.segments import Segment
from backend.tables.stops import RouteAssignment, Stop, StopAssignment
from tests.simulator.dice import Dice, Ids

SEGMENTS = ("premium", "standard", "business", "economy")


@dataclass(slots=True)
class Crew:
    """A driver with van, shift, route and phones."""

    driver: UUID
    depot: UUID
    vehicle: UUID
    shift: UUID
    route: UUID
    devices: list[UUID]


@dataclass(slots=True)
class Visit:
    """A stop, its goods, and who was given it first."""

    stop: UUID
    consignment: UUID
    parcel: UUID
    crew: Crew
    segment: str
    sequence: int
    plan: UUID | None = None

    @property
    def mark(self) -> str:
        """What stands in its recipient's name, and nowhere else in the world."""
        return f"mark-{self.stop.hex[-12:]}"

    @property
    def barcode(self) -> str:
        """What is on the parcel."""
        return f"P-{self.parcel.hex[-12:]}"

    @property
    def asks_for_code(self) -> bool:
        """Whether the customer has a code to say."""
        return self.segment not in SEGMENTS[1:]


@dataclass(slots=True)
class Depots:
    """Who works where, and what is to be delivered."""

    segment: str
    crews: list[Crew]
    stranger: Crew
    visits: list[Visit] = field(default_factory=list)
    published: list[Visit] = field(default_factory=list)

    @property
    def everybody(self) -> list[Crew]:
        """The neighbour too."""
        return [*self.crews, self.stranger]


def draw(dice: Dice, ids: Ids) -> Depots:
    """Draw who works at the depot, and what is to be delivered."""
    here, there = ids.new(), ids.new()
    made = Depots(
        f"own_{ids.new().hex}",
        [_crew(ids, here, dice.number(1, 2)) for _ in range(2)],
        _crew(ids, there, 1),
    )
    for crew, most in ((made.crews[0], 3), (made.crews[1], 2), (made.stranger, 1)):
        made.visits += _visits(dice, ids, made, crew, dice.number(1, most))
    return made


def _crew(ids: Ids, depot: UUID, phones: int) -> Crew:
    driver, vehicle, shift, route = (ids.new() for _ in range(4))
    return Crew(driver, depot, vehicle, shift, route, [ids.new() for _ in range(phones)])


def _visits(dice: Dice, ids: Ids, made: Depots, crew: Crew, count: int) -> list[Visit]:
    return [
        Visit(
            ids.new(), ids.new(), ids.new(), crew, dice.pick((*SEGMENTS, made.segment)), place + 1
        )
        for place in range(count)
    ]


async def lay(db: Database, master: bytes, everything: Sequence[Depots]) -> None:
    """Write the grounds of several histories into the database, floor by floor."""
    crews = [crew for made in everything for crew in made.everybody]
    async with db.begin() as tx:
        premium = await segments.current(tx, {"premium"})
        for made in everything:
            await _segment(tx, made.segment, premium["premium"].policy)
        for depot in dict.fromkeys(crew.depot for crew in crews):
            await _depot(tx, depot)
        await tx.flush()
        await _man(tx, crews)
        await _visits_at(tx, master, [visit for made in everything for visit in made.visits])


async def _add(
    tx: Tx, action: str, row: type[Audited], id_: UUID, values: dict[str, object]
) -> None:
    await record(tx, SYSTEM, Event(action, row, id_, values, create=True))


async def _segment(tx: Tx, code: str, like: Policy) -> None:
    wire = {**policy_to_wire(like), "override": {"second_person": False}}
    id_ = UUID(code.removeprefix("own_"))
    await _add(tx, "segment.created", Segment, id_, {"code": code, "policy": wire})
    segments.keep_version(tx, code, 1, wire, moment(tx))


async def _depot(tx: Tx, id_: UUID) -> None:
    values: dict[str, object] = {"code": f"d{id_.hex}", "name": "Harbour", "timezone": "UTC"}
    await _add(tx, "depot.added", Depot, id_, {**values, "lat": 39.28, "lon": -76.6})


async def _man(tx: Tx, crews: Sequence[Crew]) -> None:
    for crew in crews:
        await _hire(tx, crew)
    await tx.flush()
    for crew in crews:
        for device in crew.devices:
            await _device(tx, crew, device)
        await _shift(tx, crew)
    await tx.flush()
    for crew in crews:
        await _route(tx, crew)
    await tx.flush()


async def _hire(tx: Tx, crew: Crew) -> None:
    depot: dict[str, object] = {"depot_id": crew.depot, "skills": []}
    load: dict[str, object] = {"capacity_kg": 900.0, "capacity_dm3": 9000.0}
    van = {**depot, "code": crew.vehicle.hex, **load}
    await _add(tx, "vehicle.added", Vehicle, crew.vehicle, van)
    driver = {**depot, "name": "Grace Hopper", "phone": None}
    await _add(tx, "driver.added", Driver, crew.driver, driver)


async def _device(tx: Tx, crew: Crew, id_: UUID) -> None:
    phone = {"platform": "android", "model": "T1", "app_version": "1", "enrolled_at": moment(tx)}
    await _add(tx, "device.enrolled", Device, id_, {"driver_id": crew.driver, **phone})
    tx.add(DeviceJournal(device_id=id_, acked_n=0))


def _hands(crew: Crew) -> dict[str, object]:
    return {"driver_id": crew.driver, "vehicle_id": crew.vehicle}


async def _shift(tx: Tx, crew: Crew) -> None:
    now = moment(tx)
    hours = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=9)}
    await _add(tx, "shift.added", Shift, crew.shift, {**_hands(crew), "date": now.date(), **hours})


async def _route(tx: Tx, crew: Crew, plan: UUID | None = None) -> None:
    """Write a route: out on the road, or planned where it belongs to a plan."""
    now, out = moment(tx), plan is None
    values: dict[str, object] = {
        **_hands(crew),
        "plan_id": plan,
        "depot_id": crew.depot,
        "date": now.date(),
        "state": "released" if out else "planned",
        "shift_id": crew.shift,
        "manifest_driver_id": crew.driver if out else None,
        "released_at": now if out else None,
    }
    await _add(tx, "route.released" if out else "route.planned", Route, crew.route, values)
    if out:
        tx.add(RouteAssignment(route_id=crew.route, driver_id=crew.driver))


async def _visits_at(tx: Tx, master: bytes, visits: Sequence[Visit]) -> None:
    for visit in visits:
        await _goods(tx, master, visit)
    await tx.flush()
    for visit in visits:
        await _visit(tx, visit)
    await tx.flush()


async def _visit(tx: Tx, visit: Visit) -> None:
    """Write a visit: released, or planned where it belongs to a plan."""
    now, crew, out = moment(tx), visit.crew, visit.plan is None
    eta = now + timedelta(hours=2, minutes=10 * visit.sequence)
    values: dict[str, object] = {
        "route_id": crew.route,
        "consignment_id": visit.consignment,
        "manifest_driver_id": crew.driver if out else None,
        "sequence": visit.sequence,
        "state": "released" if out else "planned",
        "proof": "none",
        "attempt": 1,
        "segment": visit.segment,
        "policy_version": 1,
        "priority": 50,
        "eta": eta,
        "window_start": eta - timedelta(hours=1),
        "window_end": eta + timedelta(hours=1),
        "service_s": 120,
        "door_issue": 1 if out and visit.asks_for_code else 0,
        "door_expires_at": now + timedelta(hours=21) if out and visit.asks_for_code else None,
    }
    await _add(tx, "stop.released" if out else "stop.planned", Stop, visit.stop, values)
    if out:
        tx.add(StopAssignment(stop_id=visit.stop, driver_id=crew.driver, since=now))


async def _goods(tx: Tx, master: bytes, visit: Visit) -> None:
    values: dict[str, object] = {
        "depot_id": visit.crew.depot,
        "reference": f"R-{visit.consignment.hex}",
        "state": "released" if visit.plan is None else "planned",
        "segment": visit.segment,
        "segment_reason": "given",
        "service_date": moment(tx).date(),
        "recipient_name": visit.mark,
        "recipient_phone": "+14105550142",
        "phone_takes_sms": True,
        "address_lines": [visit.mark],
        "postcode": "21223",
        "city": "Baltimore",
        "country": "US",
        "lat": 39.2930,
        "lon": -76.5866,
        "content_hash": hashlib.sha256(visit.consignment.bytes).digest(),
        "tracking_hash": tracking_hash(tracking_token(master, visit.consignment)),
        "created_at": moment(tx),
    }
    await _add(tx, "consignment.imported", Consignment, visit.consignment, values)
    tx.add(
        Parcel(
            id=visit.parcel,
            consignment_id=visit.consignment,
            barcode=visit.barcode,
            weight_kg=2.0,
            volume_dm3=8.0,
            handling=[],
        )
    )


async def plan_one_more(db: Database, master: bytes, visits: Sequence[Visit]) -> None:
    """Write a finished plan with one route of visits, which nobody released yet."""
    crew, plan = visits[0].crew, visits[0].plan
    assert plan is not None
    async with db.begin() as tx:
        now = moment(tx)
        tx.add(
            Plan(
                id=plan,
                depot_id=crew.depot,
                date=now.date(),
                state="done",
                requested_by="simulator",
                time_limit_s=1.0,
                engine="none",
                unassigned=[],
                created_at=now,
            )
        )
        await tx.flush()
        await _route(tx, crew, plan)
        await tx.flush()
        await _visits_at(tx, master, visits)
