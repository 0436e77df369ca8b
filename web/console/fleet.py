"""Depots, vehicles, drivers and shifts under ``/console/v1``."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromQuery
from msgspec import Meta

from backend.clock import rfc3339
from backend.dispatch import fleet
from backend.dispatch.fleet import DepotNotFound, Hours
from backend.domain.geo import LatLon
from backend.domain.people import Role
from backend.errors import InputError, NotFound
from backend.identity.people import SignedIn
from backend.intake import phones, text
from backend.intake.parcels import clean_token
from backend.store import fleet as store
from backend.store.database import Database, Tx
from backend.tables.fleet import Depot, Driver, Shift, Vehicle
from backend.wire.json import InputInvalid, read_json
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id
from web.query import read_date

Code = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^\S([^\x00-\x1f\x7f]*\S)?$")]
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00]*\S[^\x00]*$")]
Skill = Annotated[str, Meta(max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*$")]
Skills = Annotated[list[Skill], Meta(max_length=20)]
Capacity = Annotated[float, Meta(gt=0, le=1_000_000)]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class DepotIn(msgspec.Struct, frozen=True):
    """A new depot."""

    code: Code
    name: Name
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    timezone: Annotated[str, Meta(min_length=1, max_length=60)]


class DepotOut(msgspec.Struct, frozen=True):
    """A depot."""

    id: UUID
    code: str
    name: str
    lat: float
    lon: float
    timezone: str


class VehicleIn(msgspec.Struct, frozen=True):
    """A new vehicle."""

    depot: str
    code: Code
    capacity_kg: Capacity
    capacity_dm3: Capacity
    skills: Skills = []


class VehicleOut(msgspec.Struct, frozen=True):
    """A vehicle."""

    id: UUID
    depot: str
    code: str
    capacity_kg: float
    capacity_dm3: float
    skills: list[str]


class DriverIn(msgspec.Struct, frozen=True):
    """A new driver."""

    depot: str
    name: Name
    phone: Annotated[str, Meta(max_length=40, pattern=r"^[^\x00]*$")] | None = None
    skills: Skills = []


class DriverOut(msgspec.Struct, frozen=True):
    """A driver."""

    id: UUID
    depot: str
    name: str
    phone: str | None
    skills: list[str]


class ShiftIn(msgspec.Struct, frozen=True):
    """A new shift; hours are local at the depot."""

    driver_id: str
    vehicle_id: str
    date: str
    start: Clock
    end: Clock


class ShiftOut(msgspec.Struct, frozen=True):
    """A shift, its hours local as they were given and as moments."""

    id: UUID
    driver_id: UUID
    vehicle_id: UUID
    depot: str
    date: str
    start: str
    end: str
    starts_at: str
    ends_at: str


class DepotController(Controller):
    """Where routes start and end."""

    path = "/depots"

    @post(operation_id="addDepot", opt={"body": DepotIn})
    async def add(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> DepotOut:
        """Add a depot; administrators only, for a supervisor has his depots."""
        person.must_be(Role.ADMIN)
        asked = await read_json(request, DepotIn)
        _must_be_zone(asked.timezone)
        place = LatLon(asked.lat, asked.lon)
        name = text.line(asked.name)
        async with db.begin() as tx:
            row = await fleet.add_depot(tx, person.actor, asked.code, name, place, asked.timezone)
        return _depot_out(row)

    @get(operation_id="listDepots")
    async def depots(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        after: FromQuery[str | None] = None,
    ) -> Page[DepotOut]:
        """Return the person's depots."""
        async with db.snapshot() as tx:
            rows = await store.depots(tx, person.scope, read_id_cursor(after), PAGE + 1)
        shown, cursor = page(rows, lambda row: (str(row.id),))
        return Page([_depot_out(row) for row in shown], cursor)


class VehicleController(Controller):
    """What goods travel in."""

    path = "/vehicles"

    @post(operation_id="addVehicle", opt={"body": VehicleIn})
    async def add(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> VehicleOut:
        """Add a vehicle to a depot."""
        person.must_be(Role.SUPERVISOR)
        asked = await read_json(request, VehicleIn)
        async with db.begin() as tx:
            depot = await _own_depot(tx, person, asked.depot)
            row = await fleet.add_vehicle(
                tx,
                person.actor,
                depot.id,
                asked.code,
                capacity_kg=asked.capacity_kg,
                capacity_dm3=asked.capacity_dm3,
                skills=_skills(asked.skills),
            )
        return _vehicle_out(row, depot.code)

    @get(operation_id="listVehicles")
    async def vehicles(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        depot: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[VehicleOut]:
        """Return the vehicles of the person's depots, or of one of them."""
        async with db.snapshot() as tx:
            codes = await store.depot_codes(tx)
            scope = _narrowed(person, codes, depot)
            rows = await store.vehicles(tx, scope, read_id_cursor(after), PAGE + 1)
        shown, cursor = page(rows, lambda row: (str(row.id),))
        return Page([_vehicle_out(row, codes[row.depot_id]) for row in shown], cursor)


class DriverController(Controller):
    """Who drives."""

    path = "/drivers"

    @post(operation_id="addDriver", opt={"body": DriverIn})
    async def add(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> DriverOut:
        """Add a driver to a depot."""
        person.must_be(Role.SUPERVISOR)
        asked = await read_json(request, DriverIn)
        name, phone = text.line(asked.name), _phone(asked.phone)
        skills = _skills(asked.skills)
        async with db.begin() as tx:
            depot = await _own_depot(tx, person, asked.depot)
            row = await fleet.add_driver(tx, person.actor, depot.id, name, phone, skills)
        return _driver_out(row, depot.code)

    @get(operation_id="listDrivers")
    async def drivers(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        depot: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[DriverOut]:
        """Return the drivers of the person's depots, or of one of them."""
        async with db.snapshot() as tx:
            codes = await store.depot_codes(tx)
            scope = _narrowed(person, codes, depot)
            rows = await store.drivers(tx, scope, read_id_cursor(after), PAGE + 1)
        shown, cursor = page(rows, lambda row: (str(row.id),))
        return Page([_driver_out(row, codes[row.depot_id]) for row in shown], cursor)


class ShiftController(Controller):
    """Who drives what, when."""

    path = "/shifts"

    @post(operation_id="addShift", opt={"body": ShiftIn})
    async def add(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> ShiftOut:
        """Add a shift."""
        person.must_be(Role.SUPERVISOR)
        asked = await read_json(request, ShiftIn)
        hours = _hours(asked)
        async with db.begin() as tx:
            driver = await store.driver(tx, the_id(asked.driver_id))
            vehicle = await store.vehicle(tx, the_id(asked.vehicle_id))
            if driver is None or vehicle is None:
                raise NotFound
            person.must_see(driver.depot_id)
            person.must_see(vehicle.depot_id)
            depot = await store.depot(tx, driver.depot_id)
            row = await fleet.add_shift(tx, person.actor, driver, vehicle, hours)
        if depot is None:
            raise DepotNotFound
        return _shift_out(row, depot)

    @get(operation_id="listShifts")
    async def shifts(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        depot: FromQuery[str | None] = None,
        date: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[ShiftOut]:
        """Return the shifts of the person's depots, of one depot or day where one is named."""
        day = read_date(date)
        async with db.snapshot() as tx:
            scope = _narrowed(person, await store.depot_codes(tx), depot)
            rows = await store.shifts(tx, scope, day, read_id_cursor(after), PAGE + 1)
            shown, cursor = page(rows, lambda row: (str(row.id),))
            depots = await store.depots_of_drivers(tx, {row.driver_id for row in shown})
        return Page([_shift_out(row, depots[row.driver_id]) for row in shown], cursor)


def _must_be_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        fault = InputError("/timezone", "unknown_value", "is not an IANA time zone")
        raise InputInvalid(errors=[fault]) from None


async def _own_depot(tx: Tx, person: SignedIn, code: str) -> Depot:
    depot = None if "\0" in code else await store.depot_by_code(tx, code)
    if depot is None or not person.sees(depot.id):
        raise DepotNotFound
    return depot


def _narrowed(
    person: SignedIn, codes: Mapping[UUID, str], depot: str | None
) -> frozenset[UUID] | None:
    """The depots to list of: all in scope, or the one that is named."""
    if not depot:
        return person.scope
    return frozenset(i for i, code in codes.items() if code == depot and person.sees(i))


def _phone(raw: str | None) -> str | None:
    """A number with its country code gets its one form; another one is kept as people know it."""
    plain = text.line(raw or "")
    found = phones.read(plain, "ZZ")
    return found.e164 if found is not None else plain or None


def _skills(asked: list[str]) -> list[str]:
    """Skills are the words that handling uses, in the same form."""
    return sorted({clean_token(skill) for skill in asked})


def _hours(asked: ShiftIn) -> Hours:
    date = read_date(asked.date)
    if date is None:
        raise InputInvalid(errors=[InputError("/date", "missing", "is required")])
    return Hours(date, dt.time.fromisoformat(asked.start), dt.time.fromisoformat(asked.end))


def _depot_out(row: Depot) -> DepotOut:
    return DepotOut(row.id, row.code, row.name, row.lat, row.lon, row.timezone)


def _vehicle_out(row: Vehicle, depot: str) -> VehicleOut:
    return VehicleOut(row.id, depot, row.code, row.capacity_kg, row.capacity_dm3, row.skills)


def _driver_out(row: Driver, depot: str) -> DriverOut:
    return DriverOut(row.id, depot, row.name, row.phone, row.skills)


def _shift_out(row: Shift, depot: Depot) -> ShiftOut:
    zone = ZoneInfo(depot.timezone)
    return ShiftOut(
        id=row.id,
        driver_id=row.driver_id,
        vehicle_id=row.vehicle_id,
        depot=depot.code,
        date=row.date.isoformat(),
        start=row.starts_at.astimezone(zone).strftime("%H:%M"),
        end=row.ends_at.astimezone(zone).strftime("%H:%M"),
        starts_at=rfc3339(row.starts_at),
        ends_at=rfc3339(row.ends_at),
    )
