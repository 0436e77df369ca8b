"""Depots, vehicles, drivers and shifts: each is added once, and the log says by whom."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.audit.record import Event, record
from backend.domain.geo import LatLon
from backend.domain.people import Actor
from backend.errors import InputError, Malformed, NotFound, StateConflict
from backend.ids import new_id
from backend.store import fleet as store
from backend.store.database import Tx
from backend.tables.fleet import Depot, Driver, Shift, Vehicle


class DepotNotFound(NotFound):
    """No depot has this code, or it is not yours."""

    code = "depot_not_found"
    title = "There is no such depot"


class DepotExists(StateConflict):
    """A depot's code stands for one depot for ever."""

    code = "depot_exists"
    title = "A depot of this code is there already"


class VehicleExists(StateConflict):
    """A vehicle's code stands for one vehicle of its depot."""

    code = "vehicle_exists"
    title = "The depot has a vehicle of this code already"


class ShiftOverlaps(StateConflict):
    """A driver drives one van at a time."""

    code = "shift_overlaps"
    title = "The driver has a shift at that time already"


class ShiftInvalid(Malformed):
    """A shift ends after it starts, with driver and vehicle of one depot."""

    code = "shift_invalid"
    title = "This cannot be a shift"


@dataclass(frozen=True, slots=True)
class Hours:
    """When a shift is, in the depot's local time."""

    date: dt.date
    start: dt.time
    end: dt.time

    def moments(self, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
        """Return start and end in UTC.

        Raises:
            ShiftInvalid: it ends before it starts.
        """
        start = dt.datetime.combine(self.date, self.start, zone).astimezone(dt.UTC)
        end = dt.datetime.combine(self.date, self.end, zone).astimezone(dt.UTC)
        if start >= end:
            raise ShiftInvalid(errors=[InputError("/end", "order", "must be after start")])
        return start, end


async def add_depot(
    tx: Tx, actor: Actor, code: str, name: str, place: LatLon, timezone: str
) -> Depot:
    """Add a depot.

    Raises:
        DepotExists: its code is taken.
    """
    await store.one_at_a_time(tx)
    if await store.depot_by_code(tx, code) is not None:
        raise DepotExists
    change = {
        "code": code,
        "name": name,
        "lat": place.lat,
        "lon": place.lon,
        "timezone": timezone,
    }
    row = await record(tx, actor, Event("depot.added", Depot, new_id(), change, create=True))
    assert isinstance(row, Depot)
    return row


async def add_vehicle(
    tx: Tx,
    actor: Actor,
    depot_id: UUID,
    code: str,
    *,
    capacity_kg: float,
    capacity_dm3: float,
    skills: list[str],
) -> Vehicle:
    """Add a vehicle.

    Raises:
        VehicleExists: its depot has one of this code.
    """
    await store.one_at_a_time(tx)
    if await store.vehicle_exists(tx, depot_id, code):
        raise VehicleExists
    change = {
        "depot_id": depot_id,
        "code": code,
        "capacity_kg": capacity_kg,
        "capacity_dm3": capacity_dm3,
        "skills": skills,
    }
    row = await record(tx, actor, Event("vehicle.added", Vehicle, new_id(), change, create=True))
    assert isinstance(row, Vehicle)
    return row


async def add_driver(
    tx: Tx, actor: Actor, depot_id: UUID, name: str, phone: str | None, skills: list[str]
) -> Driver:
    """Add a driver."""
    change = {"depot_id": depot_id, "name": name, "phone": phone, "skills": skills}
    row = await record(tx, actor, Event("driver.added", Driver, new_id(), change, create=True))
    assert isinstance(row, Driver)
    return row


async def add_shift(tx: Tx, actor: Actor, driver: Driver, vehicle: Vehicle, hours: Hours) -> Shift:
    """Add a shift, its hours meant in the depot's zone.

    Raises:
        ShiftInvalid: driver and vehicle are of different depots, or it ends before it starts.
        ShiftOverlaps: the driver works then already.
    """
    if driver.depot_id != vehicle.depot_id:
        fault = InputError("/vehicle_id", "other_depot", "is of another depot than the driver")
        raise ShiftInvalid(errors=[fault])
    depot = await store.depot(tx, driver.depot_id)
    if depot is None:
        raise DepotNotFound
    start, end = hours.moments(ZoneInfo(depot.timezone))
    await store.lock_driver(tx, driver.id)
    if await store.shift_between(tx, driver.id, start, end):
        raise ShiftOverlaps
    change = {
        "driver_id": driver.id,
        "vehicle_id": vehicle.id,
        "date": hours.date,
        "starts_at": start,
        "ends_at": end,
    }
    row = await record(tx, actor, Event("shift.added", Shift, new_id(), change, create=True))
    assert isinstance(row, Shift)
    return row
