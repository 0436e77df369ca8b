"""Before the day: a depot, orders, a plan that is released, and a phone on a road for everybody."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from backend.cli.day import crew
from backend.cli.day.control_room import ControlRoom
from backend.cli.day.customers import Customer, Door
from backend.cli.day.driver import Driver
from backend.cli.day.goods import City, Location, Order, as_json, orders
from backend.cli.day.people import employ
from backend.cli.drill.fate import Fate, Odds, fingerprint, tell_fates
from backend.cli.drill.faults import NO_FAULTS, Faults
from backend.cli.drill.notebook import Notebook
from backend.cli.drill.office import Errand, Office, list_errands
from backend.cli.drill.phone import Phone
from backend.cli.drill.rider import Rider
from backend.cli.drill.road import Road, Traffic
from backend.settings import Settings
from handset.disk import Sync

ZONE = "America/New_York"
CITY = City("Baltimore", "US", "21224", 39.2850, -76.5600)
SHIFT = ("06:00", "20:00")
DEPOT = "DRILL"
_SEGMENTS = ("standard", "business", "standard") * 3 + ("economy", "premium")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a drill is, and how bad a day it gets."""

    drivers: int
    stops: int
    odds: Odds
    faults: Faults = field(default_factory=lambda: NO_FAULTS)
    office: float = 0.1
    restarts: int = 0
    report_every: int = 1
    hurried: bool = False
    synchronous: Sync = "NORMAL"

    @property
    def doors(self) -> int:
        """Stops of all drivers together."""
        return self.drivers * self.stops

    @property
    def planning_seconds(self) -> int:
        """How long the search for routes may take: good ones are not the point."""
        return 1 if self.doors <= 100 else 3


class NotReady(RuntimeError):
    """The installation did not let the day begin."""


@dataclass(slots=True)
class Company:
    """Everybody who takes part in a drill."""

    size: Size
    url: str
    folder: Path
    date: str
    rooms: dict[str, ControlRoom]
    office: Office
    notebook: Notebook
    fates: list[Fate]
    traffic: Traffic = field(default_factory=Traffic)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    riders: list[Rider] = field(default_factory=list)
    roads: list[Road] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """What days of one seed have in common."""
        return fingerprint(self.fates, self.size.stops)

    @property
    def errands(self) -> list[Errand]:
        """What the control room is going to do."""
        replans = 0 if self.size.office == 0 else max(1, self.size.drivers // 10)
        return list_errands(self.size.odds.seed, self.size.doors, self.size.office, replans)


@asynccontextmanager
async def muster(
    url: str, settings: Settings, folder: Path, size: Size, tell: Callable[[str], None]
) -> AsyncIterator[Company]:
    """Make an empty installation ready for a day; phones and roads are put away afterwards."""
    async with AsyncExitStack() as stack:
        tell("opening a depot and taking orders")
        rooms = {}
        for name, login in (await employ(settings, (DEPOT,))).items():
            rooms[name] = await ControlRoom.sign_in(url, login.email, login.password)
            stack.push_async_callback(rooms[name].close)
        company = _company(url, folder, size, rooms)
        hired = await _open_depot(company)
        tell(f"planning {size.drivers} routes")
        plan = await rooms["supervisor"].plan(DEPOT, company.date, size.planning_seconds)
        await rooms["supervisor"].release(plan.id)
        for fate, driver_id in zip(company.fates, hired, strict=True):
            await _equip(stack, company, fate, driver_id)
        yield company


def _company(url: str, folder: Path, size: Size, rooms: dict[str, ControlRoom]) -> Company:
    date = f"{datetime.now(ZoneInfo(ZONE)):%Y-%m-%d}"
    notebook = Notebook(size.doors)
    late = _LateOrders(size)
    office = Office(rooms["supervisor"], rooms["second"], DEPOT, date, notebook, late.taken)
    fates = tell_fates(size.odds, size.drivers)
    return Company(size, url, folder, date, rooms, office, notebook, fates)


async def _open_depot(company: Company) -> list[str]:
    """A depot with so many drivers and as many orders as they have doors; the drivers' ids."""
    room, size = company.rooms["admin"], company.size
    place = {"code": DEPOT, "name": "Drill", "lat": CITY.lat, "lon": CITY.lon}
    await room.add("depots", {**place, "timezone": ZONE})
    # Room for what is moved between vans and for what comes in late.
    carries = 1.4 * size.stops + 4
    van = crew.Van(capacity_kg=carries, capacity_dm3=10.0 * carries)
    hired = await crew.hire(room, DEPOT, company.date, size.drivers, van, SHIFT)
    orders_ = as_json(_made_up(size.doors, size.odds.seed, "DRILL"))
    taken = await room.import_consignments(DEPOT, orders_, date=company.date)
    if taken.accepted != size.doors:
        raise NotReady(f"only {taken.accepted} orders were taken")
    return hired


async def _equip(stack: AsyncExitStack, company: Company, fate: Fate, driver_id: str) -> None:
    """Give a driver a phone, and the phone a road."""
    size, seed, number = company.size, company.size.odds.seed, fate.phone
    where = urlsplit(company.url)
    server = (str(where.hostname), int(where.port or 80))
    road = Road(server, company.traffic, size.faults, f"{seed}/{number}/road")
    company.roads.append(await stack.enter_async_context(road.open()))
    dice = random.Random(f"{seed}/{number}/phone")  # noqa: S311 - a story, not a secret
    phone = Phone(company.folder, number, road.url, dice, size.synchronous)
    stack.push_async_callback(phone.close)
    name = crew.NAMES[number % len(crew.NAMES)]
    driver = Driver(name, phone.handset, seed=seed * 1000 + number, hurried=size.hurried)
    company.riders.append(
        Rider(
            driver_id,
            driver,
            phone,
            fate,
            company.rooms["supervisor"],
            company.notebook,
            size.stops,
            size.report_every,
        )
    )


async def show_doors(company: Company) -> None:
    """Customers of premium consignments look at their pages, and will show what these show."""
    goods = await company.rooms["supervisor"].consignments(date=company.date)
    customer = Customer(company.url)
    doors: dict[str, Door] = {}
    try:
        for item in goods:
            if item.segment == "premium" and item.tracking_url and item.stops:
                door = await customer.door(item.tracking_url)
                doors |= {item.stops[-1]: door} if door is not None else {}
    finally:
        await customer.close()
    for rider in company.riders:
        rider.driver.doors = doors


class _LateOrders:
    """Orders that come in while the day lasts, a few at a time."""

    def __init__(self, size: Size) -> None:
        self._count = max(1, size.drivers // 4)
        self._times = 0

    def taken(self) -> bytes:
        """The next few."""
        self._times += 1
        return as_json(_made_up(self._count, self._times, f"LATE{self._times}"))


def _made_up(count: int, seed: int, prefix: str) -> list[Order]:
    made = orders(CITY, count, seed=seed, prefix=prefix)
    for number, order in enumerate(made):
        order["segment"] = _SEGMENTS[number % len(_SEGMENTS)]
        order["window"] = {"start": SHIFT[0], "end": SHIFT[1]}
        order["parcels"] = [{**order["parcels"][0], "weight_kg": 1.0, "volume_dm3": 5.0}]
        order["location"] = _on_a_grid(number)
    return made


def _on_a_grid(number: int) -> Location:
    """Forty doors to a row, eighty metres apart."""
    row, column = divmod(number, 40)
    return Location(lat=round(CITY.lat + row * 0.0007, 6), lon=round(CITY.lon + column * 0.0009, 6))
