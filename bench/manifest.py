"""What a fresh manifest weighs: 150 stops that were imported, planned and released by the server.

    python -m bench.manifest

The limit is design's: 12 KB compressed, which is zstd for a phone that takes it. The bench of sync
measures copies of rows; here every id is one that the server gave, and every member is as a phone
receives it over real HTTP. Orders come in one file, or each in a call of its own.
"""

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from backend.cli.conformance.kit.phone import Phone
from backend.cli.conformance.kit.wire import Wire
from backend.cli.day import crew
from backend.cli.day.control_room import ControlRoom
from backend.cli.day.goods import City, Order, as_json, orders
from backend.cli.day.people import Login, employ
from backend.cli.ground import installation, settings_for
from backend.cli.system import run
from backend.cli.tell import Teller
from backend.settings import Settings

STOPS = 150
MOST = 12_000
CITY = City("Baltimore", "US", "21224", 39.2850, -76.5600)
SHIFT = ("00:00", "23:59")
WINDOWS = (SHIFT, ("00:00", "14:00"), ("04:00", "20:00"), ("08:00", "23:59"))
DEPOTS = {"FILE": "in one file", "CALLS": "one by one"}


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of a first sync's reply, by its coding."""

    stops: int
    plain: int
    gzip: int
    zstd: int


async def prepared(url: str, login: Login, depot: str, calls: Sequence[bytes]) -> str:
    """Bring a round onto the road; return a code to enrol with."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    room = await ControlRoom.sign_in(url, login.email, login.password)
    try:
        place = {"code": depot, "name": depot, "lat": CITY.lat, "lon": CITY.lon, "timezone": "UTC"}
        await room.add("depots", place)
        van = crew.Van(capacity_kg=9_000.0, capacity_dm3=90_000.0)
        await crew.hire(room, depot, date, 1, van, SHIFT)
        for call in calls:
            await room.import_consignments(depot, call, date=date)
        await room.release((await room.plan(depot, date, 5)).id)
        (route,) = [each for each in await room.routes(date, depot) if each.driver_id]
        return await room.enrolment_code(str(route.driver_id))
    finally:
        await room.close()


def goods(prefix: str) -> list[Order]:
    """Orders whose barcodes have nothing in common but their carrier."""
    dice = random.Random(1)
    made = orders(CITY, STOPS, seed=1, prefix=prefix)
    for order in made:
        start, end = dice.choice(WINDOWS)
        order["window"] = {"start": start, "end": end}
        for parcel in order["parcels"]:
            parcel["barcode"] = f"JD{dice.randrange(10**12):012d}"
    return made


def weigh(url: str, code: str) -> Weight:
    """Enrol a phone and weigh its first reply.

    Raises:
        RuntimeError: it came uncompressed, or in pages.
    """
    wire = Wire(url)
    about = b'{"code": "%s", "device": {"platform": "x", "model": "x", "app_version": "1"}}'
    body, kind = about % code.encode(), {"Content-Type": "application/json"}
    phone = Phone(wire, wire.ask("POST", "/driver/v1/devices", body, kind).json)
    packed = {coding: phone.post(b"{}", Accept_Encoding=coding) for coding in ("gzip", "zstd")}
    for coding, answer in packed.items():
        if answer.headers.get("content-encoding") != coding:
            raise RuntimeError(f"the manifest did not come as {coding}: {answer}")
    plain = zstandard.ZstdDecompressor().decompress(packed["zstd"].body)
    reply = json.loads(plain)
    if reply["more"]:
        raise RuntimeError("the manifest came in pages")
    stops = sum(put["type"] == "stop" for put in reply["puts"])
    return Weight(stops, len(plain), len(packed["gzip"].body), len(packed["zstd"].body))


async def measure(settings: Settings, tell: Teller) -> list[Weight]:
    """Print a line for each way that orders come in."""
    weights = []
    logins = await employ(settings, tuple(DEPOTS))
    async with run(settings, "127.0.0.1", 0, tell) as system:
        for depot, way in DEPOTS.items():
            made = goods(depot)
            calls = [as_json(made)] if depot == "FILE" else [as_json([order]) for order in made]
            code = await prepared(system.url, logins["admin"], depot, calls)
            weights.append(found := await asyncio.to_thread(weigh, system.url, code))
            print(
                f"{found.stops} stops, orders {way}: {found.plain:,} B, gzip {found.gzip:,} B, "
                f"zstd {found.zstd:,} B; limit {MOST:,} B: {found.zstd / MOST:.2f}"
            )
    return weights


def main() -> None:
    """Run it in an installation of its own; fail where the limit is missed."""
    tell = Teller(machine=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with installation(settings_for(Path(folder) / "data"), tell) as settings:
            weights = asyncio.run(measure(settings, tell))
    if any(found.stops != STOPS or found.zstd > MOST for found in weights):
        raise SystemExit("not every manifest is whole and within the limit")


if __name__ == "__main__":
    main()
