"""The demo's day from first order to verified log, told step by step over real HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio

from backend.cli.day import crew, ledger
from backend.cli.day.control_room import ControlRoom, Imported, Plan, RouteItem
from backend.cli.day.customers import Customer
from backend.cli.day.driver import Driver
from backend.cli.day.goods import City, as_csv, as_json, known_places, orders, with_oddities
from backend.cli.day.ledger import Outcome
from backend.cli.day.people import Login, employ
from backend.cli.day.plot import Plot, devise
from backend.settings import Settings

SHIFT = ("07:00", "19:00")
DEPOTS = {
    "BAL-E": ("Baltimore East", City("Baltimore", "US", "21224", 39.2850, -76.5600)),
    "BAL-N": ("Baltimore North", City("Baltimore", "US", "21218", 39.3300, -76.6100)),
}
ORDERS_A_DEPOT = 75
DRIVERS_A_DEPOT = 4
PLANNING_SECONDS = 4


def beginning_at(now: datetime, *, hour: int) -> str:
    """Return the name of a zone in which this hour has begun; its sign is that of POSIX."""
    ahead = (hour - now.astimezone(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"


@dataclass(slots=True)
class Day:
    """Everything the story knows while it unfolds."""

    url: str
    settings: Settings
    folder: Path
    tell: Callable[[str], None]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    logins: dict[str, Login] = field(default_factory=dict)
    rooms: dict[str, ControlRoom] = field(default_factory=dict)
    drivers: dict[str, Driver] = field(default_factory=dict)
    imported: list[Imported] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    plot: Plot = field(default_factory=Plot)

    @property
    def zone(self) -> str:
        """Where the depots' clocks are: the shift has just begun there, whenever one looks on."""
        return beginning_at(self.began, hour=7)

    @property
    def date(self) -> str:
        """The depots' day."""
        return f"{self.began.astimezone(ZoneInfo(self.zone)):%Y-%m-%d}"

    @property
    def supervisor(self) -> ControlRoom:
        """Who runs both depots today."""
        return self.rooms["supervisor"]

    @property
    def out_of_reach(self) -> dict[str, Driver]:
        """Drivers without a network until evening."""
        return {driver_id: who for driver_id, who in self.drivers.items() if who.offline}

    async def routes(self) -> list[RouteItem]:
        """Every route of the day."""
        return [
            route for depot in DEPOTS for route in await self.supervisor.routes(self.date, depot)
        ]


async def live(day: Day) -> Outcome:
    """Live the day through; what it came to."""
    try:
        for step, part in _STEPS:
            day.tell(step)
            await part(day)
        day.tell("exporting the log and verifying it as a stranger would")
        return await _account(day)
    finally:
        for room in day.rooms.values():
            await room.close()
        for driver in day.drivers.values():
            await driver.handset.close()


async def _open_house(day: Day) -> None:
    day.logins = await employ(day.settings, tuple(DEPOTS))
    for name, login in day.logins.items():
        day.rooms[name] = await ControlRoom.sign_in(day.url, login.email, login.password)
    for code, (name, city) in DEPOTS.items():
        place = {"code": code, "name": name, "lat": city.lat, "lon": city.lon, "timezone": day.zone}
        await day.rooms["admin"].add("depots", place)


async def _take_orders(day: Day) -> None:
    """One depot's orders come as JSON, the other's as CSV; a gazetteer knows the streets."""
    forms = (("application/json", as_json), ("text/csv", as_csv))
    for seed, (depot, (_, city)) in enumerate(DEPOTS.items()):
        placed = orders(city, ORDERS_A_DEPOT, seed=seed, prefix=depot)
        await _load_places(day, known_places(placed))
        media_type, written = forms[seed]
        taken = await day.supervisor.import_consignments(
            depot, written(with_oddities(placed)), date=day.date, media_type=media_type
        )
        day.imported.append(taken)


async def _load_places(day: Day, places: bytes) -> None:
    from backend.cli.ground import database
    from backend.intake.places import load_places

    async with database(day.settings) as db, db.begin() as tx:
        await load_places(tx, places, country="US")


async def _hire(day: Day) -> None:
    van = crew.Van(capacity_kg=400.0, capacity_dm3=420.0)
    for depot in DEPOTS:
        hired = await crew.hire(
            day.rooms["admin"],
            depot,
            day.date,
            DRIVERS_A_DEPOT,
            van,
            SHIFT,
            known=len(day.drivers),
        )
        for driver_id in hired:
            number = len(day.drivers)
            day.drivers[driver_id] = crew.give_phone(day.url, day.folder, number)


async def _plan(day: Day) -> None:
    async def one(depot: str) -> None:
        day.plans.append(await day.supervisor.plan(depot, day.date, PLANNING_SECONDS))

    async with anyio.create_task_group() as group:
        for depot in DEPOTS:
            group.start_soon(one, depot)
    for plan in day.plans:
        await day.supervisor.release(plan.id)


async def _go_out(day: Day) -> None:
    await crew.enrol(day.supervisor, day.drivers.items())
    routes = await day.routes()
    busy = [route.driver_id for route in routes]
    for place, driver_id in enumerate(busy):
        if driver_id is not None:
            day.drivers[driver_id].offline = place % 3 == 1
    goods = await day.supervisor.consignments(date=day.date)
    day.plot = devise(routes, goods, day.out_of_reach)
    await crew.together(list(day.drivers.values()), Driver.morning)
    await _cancel(day, day.plot.cancelled_in_time)
    await _tell_customers(day)


async def _tell_customers(day: Day) -> None:
    """Customers look at their pages; what these show is what they can show at the door."""
    customer = Customer(day.url)
    doors = {stop_id: await customer.door(link) for stop_id, link in day.plot.links.items()}
    await customer.close()
    for driver in day.drivers.values():
        driver.doors = {stop_id: door for stop_id, door in doors.items() if door is not None}
        driver.twists = day.plot.twists


async def _drive(day: Day) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel, day, day.plot.cancelled_meanwhile)
        group.start_soon(crew.together, list(day.drivers.values()), Driver.drive)


async def _cancel(day: Day, stop_id: str) -> None:
    await day.supervisor.override(
        stop_id,
        {
            "to": "cancelled",
            "reason": "customer_cancelled",
            "note": "The customer called and no longer wants it.",
            "idempotency_key": f"cancel-{stop_id}",
        },
    )


async def _stumble(day: Day) -> None:
    """Phones that resend what is acknowledged, and that skip what they still have to say."""
    talker = next(who for who in day.drivers.values() if not who.offline and who.visited)
    silent = next(iter(day.out_of_reach.values()))
    await talker.handset.syncer.push(talker.handset.journal.numbers(range(1, 6)))
    unsaid = silent.handset.journal.batch()
    await silent.handset.syncer.push(unsaid[3:8])


async def _come_home(day: Day) -> None:
    await crew.together(list(day.drivers.values()), Driver.evening)


async def _vouch(day: Day) -> None:
    """People settle what phones could not: waivers, one of them by two, and the inbox."""
    vouching = {
        "to": "delivered",
        "proof": "waived",
        "reason": "customer_confirmed",
        "note": "The customer confirmed by phone that it arrived.",
    }
    for stop_id in day.plot.to_waive:
        await day.supervisor.override(stop_id, {**vouching, "idempotency_key": f"w-{stop_id}"})
    for stop_id in day.plot.to_waive_by_two:
        asked = await day.supervisor.override(
            stop_id, {**vouching, "idempotency_key": f"w-{stop_id}"}
        )
        if asked.state == "awaiting_second" and asked.id is not None:
            await day.rooms["second"].confirm(asked.id)
    for item in await day.supervisor.inbox():
        if item.kind == "conflict":
            await day.supervisor.resolve(item.id, "acknowledged", "Both sides have been told.")


async def _account(day: Day) -> Outcome:
    outcome = Outcome()
    compliance = day.rooms["compliance"]
    ledger.count_goods(outcome, await day.supervisor.consignments(), day.plans)
    ledger.count_routes(outcome, await day.routes())
    ledger.count_phones(outcome, day.drivers.values())
    start, end = day.began - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5)
    bundle = await compliance.export(_moment(start), _moment(end))
    (day.folder / "bundle.zip").write_bytes(bundle)
    ledger.count_audit(outcome, bundle, await compliance.log_key())
    return outcome


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_STEPS = (
    ("opening two depots and letting people in", _open_house),
    (f"taking {ORDERS_A_DEPOT * len(DEPOTS)} orders, some of them odd", _take_orders),
    ("hiring drivers, with vans and shifts", _hire),
    ("planning both depots and releasing the routes", _plan),
    ("enrolling phones, handing out manifests, showing customers their codes", _go_out),
    ("driving: most report as they go, some are out of reach until evening", _drive),
    ("letting two phones misbehave", _stumble),
    ("coming home: everything is told, late photos go up", _come_home),
    ("settling what needs a person", _vouch),
)
