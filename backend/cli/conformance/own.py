"""An installation of our own, prepared to be tried: two drivers, routes, doors, a person."""

from collections.abc import Sequence
from datetime import UTC, datetime

from backend.cli.conformance.kit.round import Control, Round, Secrets
from backend.cli.day import crew
from backend.cli.day.control_room import ControlRoom, RouteItem
from backend.cli.day.customers import Customer
from backend.cli.day.goods import City, Location, as_json, orders
from backend.cli.day.people import Login, employ
from backend.settings import Settings

DEPOT = "TRIED"
CITY = City("Baltimore", "US", "21224", 39.2850, -76.5600)
_ORDERS = 84
# Neither van takes more than this, so that both drivers have plenty of stops.
_PER_VAN = 46
_CODES = 7
_PREMIUM_EACH = 8
# Out since midnight: customers see their codes from the planned start of the shift on.
_SHIFT = ("00:00", "23:59")


async def prepared(url: str, settings: Settings) -> Round:
    """Prepare an empty installation that is being served; return what there is to try."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    logins = await employ(settings, (DEPOT,))
    admin = await _sign_in(url, logins["admin"])
    supervisor = await _sign_in(url, logins["supervisor"])
    try:
        await _open_depot(admin, date)
        plan = await supervisor.plan(DEPOT, date, 2)
        await supervisor.release(plan.id)
        first, second = await _drivers(supervisor, date)
        return Round(
            codes=[await supervisor.enrolment_code(first) for _ in range(_CODES)],
            others=[await supervisor.enrolment_code(second)],
            doors=await _doors(url, supervisor, date),
            control=Control(url, supervisor.token()),
        )
    finally:
        await admin.close()
        await supervisor.close()


async def _sign_in(url: str, login: Login) -> ControlRoom:
    return await ControlRoom.sign_in(url, login.email, login.password)


async def _open_depot(room: ControlRoom, date: str) -> None:
    place = {"code": DEPOT, "name": "Tried", "lat": CITY.lat, "lon": CITY.lon, "timezone": "UTC"}
    await room.add("depots", place)
    van = crew.Van(capacity_kg=_PER_VAN, capacity_dm3=10.0 * _PER_VAN)
    await crew.hire(room, DEPOT, date, 2, van, _SHIFT)
    made = orders(CITY, _ORDERS, seed=1, prefix=DEPOT)
    for number, order in enumerate(made):
        order["segment"] = "premium" if number % _PREMIUM_EACH == 0 else "standard"
        order["window"] = {"start": _SHIFT[0], "end": _SHIFT[1]}
        order["parcels"] = [{**order["parcels"][0], "weight_kg": 1.0, "volume_dm3": 5.0}]
        order["location"] = _on_a_grid(number)
    await room.import_consignments(DEPOT, as_json(made), date=date)


def _on_a_grid(number: int) -> Location:
    row, column = divmod(number, 12)
    return Location(lat=round(CITY.lat + row * 0.0007, 6), lon=round(CITY.lon + column * 0.0009, 6))


async def _drivers(room: ControlRoom, date: str) -> tuple[str, str]:
    """Whoever has more stops is tried, the other is the stranger."""
    routes: Sequence[RouteItem] = await room.routes(date, DEPOT)
    out = sorted(
        (route for route in routes if route.driver_id), key=lambda route: -len(route.stops)
    )
    return str(out[0].driver_id), str(out[1].driver_id)


async def _doors(url: str, room: ControlRoom, date: str) -> dict[str, Secrets]:
    """What the customers of premium consignments read on their pages."""
    customer = Customer(url)
    doors: dict[str, Secrets] = {}
    try:
        for item in await room.consignments(date=date):
            if item.segment == "premium" and item.tracking_url and item.stops:
                door = await customer.door(item.tracking_url)
                doors |= {item.stops[-1]: Secrets(door.code, door.qr)} if door else {}
    finally:
        await customer.close()
    return doors
