"""A whole fleet out for a day on roads that lose things, and the proof that nothing was lost.

The proof comes from the phones: every act in every journal must be acknowledged with a receipt of
the contract's kind, and the server must say, asked by id, that it has it.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from backend.cli.day import crew
from backend.cli.day.control_room import ControlRoom, Plan
from backend.cli.day.driver import Driver
from backend.cli.day.goods import City, Location, Order, as_json, orders
from backend.cli.day.people import employ
from backend.cli.day.roads import NO_FAULTS, BadRoad, Faults
from backend.settings import Settings
from handset.disk import Sync
from handset.wire import Receipt

ZONE = "America/New_York"
CITY = City("Baltimore", "US", "21224", 39.2850, -76.5600)
SHIFT = ("06:00", "20:00")
DEPOT = "DRILL"
_SEGMENTS = ("standard", "business", "standard") * 3 + ("economy",)
OUTCOMES = frozenset({"applied", "conflict", "recorded", "held", "rejected", "quarantined"})


@dataclass(frozen=True, slots=True)
class Size:
    """How large the fleet is, which share of it is out of reach all day, and how bad the roads."""

    drivers: int
    stops: int
    offline: float = 0.3
    faults: Faults = NO_FAULTS
    sync_every: int = 10
    hurried: bool = False
    planning_seconds: int = 5
    synchronous: Sync = "FULL"
    seed: int = 1


@dataclass(slots=True)
class Findings:
    """What the phones can prove at the end of the day."""

    drivers: int = 0
    stops: int = 0
    mutations: int = 0
    receipts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    # Acts that a phone recorded and the server does not have, or has not acknowledged.
    lost: list[str] = field(default_factory=list)
    # Receipts that are not what the contract says.
    odd: list[str] = field(default_factory=list)
    photos_unsent: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing odd, nothing left on a phone."""
        return not self.lost and not self.odd and not self.photos_unsent

    def facts(self) -> dict[str, object]:
        """For machines."""
        return {
            "drivers": self.drivers,
            "stops": self.stops,
            "mutations": self.mutations,
            "receipts": dict(self.receipts),
            "faults": dict(self.faults),
            "lost": len(self.lost),
            "odd": self.odd[:20],
            "photos_unsent": self.photos_unsent,
        }


class NotReady(RuntimeError):
    """The installation did not let the day begin."""


@dataclass(slots=True)
class Fleet:
    """Drivers with phones, ready for the morning."""

    drivers: list[Driver]
    plan: Plan
    roads: list[BadRoad]


async def muster(
    url: str, settings: Settings, folder: Path, size: Size, tell: Callable[[str], None]
) -> Fleet:
    """Open a depot, fill it with orders, plan and release the day, hand out phones."""
    tell("opening a depot and taking orders")
    date = f"{datetime.now(ZoneInfo(ZONE)):%Y-%m-%d}"
    login = (await employ(settings, (DEPOT,)))["admin"]
    room = await ControlRoom.sign_in(url, login.email, login.password)
    try:
        place = {"code": DEPOT, "name": "Drill", "lat": CITY.lat, "lon": CITY.lon}
        await room.add("depots", {**place, "timezone": ZONE})
        van = crew.Van(capacity_kg=size.stops, capacity_dm3=10.0 * size.stops)
        hired = await crew.hire(room, DEPOT, date, size.drivers, van, SHIFT)
        body = as_json(_round_of_orders(size))
        taken = await room.import_consignments(DEPOT, body, date=date)
        if taken.accepted != size.drivers * size.stops:
            raise NotReady(f"only {taken.accepted} orders were taken")
        tell(f"planning {size.drivers} routes")
        plan = await room.plan(DEPOT, date, size.planning_seconds)
        await room.release(plan.id)
        tell("enrolling phones")
        roads = [BadRoad(size.faults, seed=size.seed + number) for number in range(size.drivers)]
        drivers = [_equip(url, folder, number, roads[number], size) for number in range(len(hired))]
        await crew.enrol(room, zip(hired, drivers, strict=True))
    finally:
        await room.close()
    return Fleet(drivers, plan, roads)


def _equip(url: str, folder: Path, number: int, road: BadRoad, size: Size) -> Driver:
    driver = crew.give_phone(url, folder, number, synchronous=size.synchronous, road=road)
    driver.offline = number < math.ceil(size.offline * size.drivers)
    driver.sync_every = size.sync_every
    driver.hurried = size.hurried
    return driver


def _round_of_orders(size: Size) -> list[Order]:
    """As many orders as all vans together can carry, one kilogram each."""
    round_ = orders(CITY, size.drivers * size.stops, seed=size.seed, prefix="DRILL")
    for number, order in enumerate(round_):
        order["segment"] = _SEGMENTS[number % len(_SEGMENTS)]
        order["window"] = {"start": SHIFT[0], "end": SHIFT[1]}
        parcel = {**order["parcels"][0], "weight_kg": 1.0, "volume_dm3": 5.0}
        order["parcels"] = [parcel]
        order["location"] = _on_a_grid(number)
    return round_


def _on_a_grid(number: int) -> Location:
    """Forty doors to a row, eighty metres apart."""
    row, column = divmod(number, 40)
    return Location(lat=round(CITY.lat + row * 0.0007, 6), lon=round(CITY.lon + column * 0.0009, 6))


async def spend_the_day(fleet: Fleet, tell: Callable[[str], None]) -> None:
    """Morning, round and evening of every driver at once."""
    tell("morning: manifests")
    await crew.together(fleet.drivers, Driver.morning)
    tell("driving")
    await crew.together(fleet.drivers, Driver.drive)
    tell("evening: everybody reports")
    await crew.together(fleet.drivers, Driver.evening)


async def examine(fleet: Fleet) -> Findings:
    """Ask every phone what it recorded, and the server whether it has it."""
    findings = Findings(drivers=len(fleet.drivers))
    for driver in fleet.drivers:
        await _examine(driver, findings)
    for road in fleet.roads:
        findings.faults.update(road.suffered)
    return findings


async def _examine(driver: Driver, findings: Findings) -> None:
    acts = driver.handset.journal.all()
    known = await driver.handset.lanes.have([act.id for act in acts])
    findings.stops += driver.visited
    findings.mutations += len(acts)
    findings.photos_unsent += driver.handset.unsent_photos
    findings.receipts.update(driver.handset.syncer.tally)
    findings.lost += [act.id for act in acts if not act.acked or act.id not in known]
    findings.odd += [
        f"{driver.name} {act.n} {act.kind}: {fault}"
        for act in acts
        for fault in _faults_of(act.receipt, act.n, act.id)
    ]
    if [act.n for act in acts] != list(range(1, len(acts) + 1)):
        findings.odd.append(f"{driver.name}: numbers with gaps")


def _faults_of(receipt: Receipt | None, n: int, mutation_id: str) -> Sequence[str]:
    """What is not as the contract says it."""
    if receipt is None:
        return ["no receipt"]
    wrong = {
        "another number": receipt.n != n,
        "another id": receipt.id != mutation_id,
        f"an outcome nobody knows: {receipt.outcome}": receipt.outcome not in OUTCOMES,
        "no entry in the log": receipt.entry is None or len(receipt.entry) != 64,
        f"not taken: {receipt.outcome} {receipt.code}": receipt.outcome
        in {"rejected", "quarantined", "held"},
    }
    return [words for words, is_so in wrong.items() if is_so]


async def close(fleet: Fleet) -> None:
    """Switch every phone off."""
    for driver in fleet.drivers:
        await driver.handset.close()
