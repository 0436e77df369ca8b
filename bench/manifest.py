"""What a fresh manifest weighs: 150 stops that were imported, planned and released by the server.

    python -m bench.manifest

The limit is design's: 12 KB compressed. The bench of sync measures copies of rows; here every id is
one that the server gave, and every member is as a phone receives it over real HTTP.
"""

import asyncio
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from backend.cli.conformance.kit.phone import Phone
from backend.cli.conformance.kit.wire import Wire
from backend.cli.day import crew
from backend.cli.day.control_room import ControlRoom
from backend.cli.day.goods import City, as_json, orders
from backend.cli.day.people import employ
from backend.cli.ground import installation, settings_for
from backend.cli.system import run
from backend.cli.tell import Teller
from backend.settings import Settings

STOPS = 150
MOST = 12_000
DEPOT = "WEIGHED"
CITY = City("Baltimore", "US", "21224", 39.2850, -76.5600)
SHIFT = ("00:00", "23:59")


async def prepared(url: str, settings: Settings) -> tuple[str, int]:
    """Bring a round of 150 stops onto the road; return a code to enrol with, and its stops."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    login = (await employ(settings, (DEPOT,)))["admin"]
    room = await ControlRoom.sign_in(url, login.email, login.password)
    try:
        place = {"code": DEPOT, "name": DEPOT, "lat": CITY.lat, "lon": CITY.lon, "timezone": "UTC"}
        await room.add("depots", place)
        van = crew.Van(capacity_kg=9_000.0, capacity_dm3=90_000.0)
        await crew.hire(room, DEPOT, date, 1, van, SHIFT)
        await room.import_consignments(DEPOT, goods(), date=date)
        await room.release((await room.plan(DEPOT, date, 5)).id)
        (route,) = [each for each in await room.routes(date, DEPOT) if each.driver_id]
        return await room.enrolment_code(str(route.driver_id)), len(route.stops)
    finally:
        await room.close()


def goods() -> bytes:
    """Orders whose barcodes have nothing in common but their carrier."""
    dice = random.Random(1)
    made = orders(CITY, STOPS, seed=1, prefix="R")
    for order in made:
        order["window"] = {"start": SHIFT[0], "end": SHIFT[1]}
        for parcel in order["parcels"]:
            parcel["barcode"] = f"JD{dice.randrange(10**12):012d}"
    return as_json(made)


def weigh(url: str, code: str) -> tuple[int, int]:
    """Return the bytes of a first sync's reply, plain and as they come to a phone that takes zstd.

    Raises:
        RuntimeError: it came uncompressed.
    """
    wire = Wire(url)
    about = b'{"code": "%s", "device": {"platform": "x", "model": "x", "app_version": "1"}}'
    body, kind = about % code.encode(), {"Content-Type": "application/json"}
    phone = Phone(wire, wire.ask("POST", "/driver/v1/devices", body, kind).json)
    packed = phone.post(b"{}", Accept_Encoding="zstd")
    if packed.headers.get("content-encoding") != "zstd":
        raise RuntimeError("the manifest came uncompressed")
    return len(zstandard.ZstdDecompressor().decompress(packed.body)), len(packed.body)


async def measure(settings: Settings, tell: Teller) -> None:
    """Print the one line of the table."""
    async with run(settings, "127.0.0.1", 0, tell) as system:
        code, stops = await prepared(system.url, settings)
        plain, packed = await asyncio.to_thread(weigh, system.url, code)
    share = packed / MOST
    print(f"{stops} stops: {plain:,} B, as zstd {packed:,} B; limit {MOST:,} B: {share:.2f}")
    if packed > MOST:
        raise SystemExit("a manifest weighs more than it may")


def main() -> None:
    """Run it in an installation of its own."""
    tell = Teller(machine=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with installation(settings_for(Path(folder) / "data"), tell) as settings:
            asyncio.run(measure(settings, tell))


if __name__ == "__main__":
    main()
