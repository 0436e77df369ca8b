"""Before the day: a depot, orders, a plan that is released, and a phone on a road for everybody."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from backend.cli.day import crew
from backend.cli.day.control_room import ControlRoom
from backend.cli.day.customers import Customer, Door
from backend.cli.day.driver import Driver
from backend.cli.day.goods import City, Location, Order, as_json, orders
from backend.cli.day.people import employ
from backend.cli.drill.fate import Odds, fingerprint, tell_fates
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
    planning_seconds: int = 3
    synchronous: Sync = "NORMAL"

    @property
    def doors(self) -> int:
        """Stops of all drivers together."""
        return self.drivers * self.stops


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
    began: datetime
    notebook: Notebook
    traffic: Traffic
    riders: list[Rider]
    roads: list[Road]
    office: Office
    errands: list[Errand]
    fingerprint: str


@asynccontextmanager
async def muster(
    url: str, settings: Settings, folder: Path, size: Size, tell: Callable[[str], None]
) -> AsyncIterator[Company]:
    """Make an empty installation ready for a day; phones and roads are put away afterwards."""
    async with AsyncExitStack() as stack:
        tell("opening a depot and taking orders")
        date = f"{datetime.now(ZoneInfo(ZONE)):%Y-%m-%d}"
        rooms = {}
        for name, login in (await employ(settings, (DEPOT,))).items():
            rooms[name] = await ControlRoom.sign_in(url, login.email, login.password)
            stack.push_async_callback(rooms[name].close)
        began = datetime.now(ZoneInfo("UTC"))
        goods = _Goods(size)
        hired = await _open_depot(rooms["admin"], size, date, goods)
        tell(f"planning {size.drivers} routes")
        plan = await rooms["supervisor"].plan(DEPOT, date, size.planning_seconds)
        await rooms["supervisor"].release(plan.id)
        company = await _equip(stack, url, folder, size, date, rooms, hired, goods, began)
        yield company


async def _open_depot(room: ControlRoom, size: Size, date: str, goods: "_Goods") -> list[str]:
    place = {"code": DEPOT, "name": "Drill", "lat": CITY.lat, "lon": CITY.lon}
    await room.add("depots", {**place, "timezone": ZONE})
    # Room for what is moved between vans and for what comes in late.
    carries = 1.4 * size.stops + 4
    van = crew.Van(capacity_kg=carries, capacity_dm3=10.0 * carries)
    hired = await crew.hire(room, DEPOT, date, size.drivers, van, SHIFT)
    taken = await room.import_consignments(DEPOT, goods.of_the_night(), date=date)
    if taken.accepted != size.doors:
        raise NotReady(f"only {taken.accepted} orders were taken")
    return hired


async def _equip(
    stack: AsyncExitStack,
    url: str,
    folder: Path,
    size: Size,
    date: str,
    rooms: dict[str, ControlRoom],
    hired: list[str],
    goods: "_Goods",
    began: datetime,
) -> Company:
    traffic, notebook = Traffic(), Notebook(size.doors)
    fates = tell_fates(size.odds, size.drivers)
    seed = size.odds.seed
    where = urlsplit(url)
    server = (str(where.hostname), int(where.port or 80))
    riders, roads = [], []
    for fate, driver_id in zip(fates, hired, strict=True):
        road = Road(server, traffic, size.faults, f"{seed}/{fate.phone}/road")
        roads.append(await stack.enter_async_context(road.open()))
        dice = random.Random(f"{seed}/{fate.phone}/phone")  # noqa: S311 - a story, not a secret
        phone = Phone(folder, fate.phone, road.url, dice, size.synchronous)
        stack.push_async_callback(phone.close)
        name = crew.NAMES[fate.phone % len(crew.NAMES)]
        driver = Driver(name, phone.handset, seed=seed * 1000 + fate.phone, hurried=size.hurried)
        riders.append(
            Rider(
                driver_id,
                driver,
                phone,
                fate,
                rooms["supervisor"],
                notebook,
                size.stops,
                size.report_every,
            )
        )
    replans = 0 if size.office == 0 else max(1, size.drivers // 10)
    errands = list_errands(seed, size.doors, size.office, replans)
    office = Office(rooms["supervisor"], rooms["second"], DEPOT, date, notebook, goods.of_the_day)
    plan = fingerprint(fates, size.stops)
    return Company(
        size=size,
        url=url,
        folder=folder,
        date=date,
        rooms=rooms,
        began=began,
        notebook=notebook,
        traffic=traffic,
        riders=riders,
        roads=roads,
        office=office,
        errands=errands,
        fingerprint=plan,
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


class _Goods:
    """Orders for the day, and those that come in while it lasts."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._late = 0

    def of_the_night(self) -> bytes:
        """As many as all drivers together have doors, one kilogram each."""
        return as_json(_made_up(self._size.doors, self._size.odds.seed, "DRILL"))

    def of_the_day(self) -> bytes:
        """A few more."""
        self._late += 1
        count = max(1, self._size.drivers // 4)
        return as_json(_made_up(count, self._late, f"LATE{self._late}"))


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
