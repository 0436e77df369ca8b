"""Intake on real data sets: the shop's busiest day, a courier's instances, phones, addresses."""

import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.domain.geo import LatLon, distance_m
from backend.domain.people import SYSTEM
from backend.intake import phones
from backend.intake.csv_rows import CsvRows
from backend.intake.csv_value import COLUMNS
from backend.intake.gazetteer import APART_M, Found, choose, doors, wanted
from backend.intake.json_rows import JsonRows
from backend.intake.places import load_places, read_places
from backend.intake.service import import_rows
from backend.store.database import Database
from scripts.real_day import consignments, from_loggibud, read_addresses, read_year
from tests.intake.depots import KEYS, depot

pytestmark = pytest.mark.anyio


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a data set."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def busiest_day(data_sets: Path) -> bytes:
    """The import file of the shop's busiest day, at Baltimore's addresses."""
    with gzip.open(data_sets / "online_retail/online_retail.csv.gz", "rt", newline="") as file:
        year = read_year(csv.DictReader(file))
    places = read_addresses(rows(data_sets / "osm_extracts/baltimore_addr.csv"))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    invoices = year.days[year.busiest()].values()
    writer.writerows(consignments(invoices, year.orders, places))
    return out.getvalue().encode()


async def test_the_busiest_day_goes_in_whole(
    db: Database, data_sets: Path, busiest_day: bytes
) -> None:
    """Every invoice of the day, those without coordinates by the gazetteer; again changes none."""
    code = await depot(db, "America/New_York", "Baltimore")
    raw = (data_sets / "osm_extracts/baltimore_addr.csv").read_bytes()
    async with db.begin() as tx:
        assert (await load_places(tx, raw, country="US")).stored == 1_318
    first = await import_rows(db, KEYS, SYSTEM, code, CsvRows(io.BytesIO(busiest_day)))
    assert (first.accepted, first.rejected, first.warnings) == (140, [], [])
    again = await import_rows(db, KEYS, SYSTEM, code, CsvRows(io.BytesIO(busiest_day)))
    assert (again.accepted, again.updated, again.unchanged) == (0, 0, 140)


@pytest.mark.parametrize(("name", "whole", "parts"), [("rj-0", 219, 221), ("rj-3", 155, 158)])
async def test_a_courier_instance_goes_in_with_its_doubles(
    db: Database, data_sets: Path, name: str, whole: int, parts: int
) -> None:
    """An id that appears twice is one consignment with two parcels."""
    code = await depot(db, "America/Sao_Paulo", "Rio")
    instance = json.loads((data_sets / f"loggibud/cvrp-0-{name}.json").read_text())
    orders = from_loggibud(instance)
    assert sum(str(order["parcels"]).count("barcode") for order in orders) == parts
    found = JsonRows(json.dumps(orders).encode())
    report = await import_rows(db, KEYS, SYSTEM, code, found)
    assert (report.accepted, report.rejected, report.warnings) == (whole, [], [])


def test_every_example_number_is_read_as_its_type(data_sets: Path) -> None:
    """1,162 numbers of 245 regions: E.164 where valid, else none; no text to premium."""
    wrong: list[tuple[str, str, str]] = []
    for row in rows(data_sets / "phones/libphonenumber_examples.csv"):
        for spelling in (row["national"], row["international"], row["e164"]):
            phone = phones.read(spelling, row["region"])
            valid = row["valid"] == "1"
            right = phone is not None and phone.e164 == row["e164"] if valid else phone is None
            refused = row["type"] in ("TOLL_FREE", "PREMIUM_RATE", "VOIP")
            if not right or (refused and phone is not None and phone.sms):
                wrong.append((row["region"], row["type"], spelling))
    assert wrong == []


def test_a_gazetteer_finds_its_own_addresses_and_never_another(data_sets: Path) -> None:
    """Of 999 addresses, incomplete and doubled ones included, none is put at a wrong place."""
    path = data_sets / "osm_extracts/liechtenstein_addr.csv"
    known = defaultdict(list)
    for place in read_places(path.read_bytes(), "LI"):
        assert place is not None
        known[place.number, place.street].append(place)
    found = Counter[Found]()
    for row in rows(path):
        line = f"{row['street'] or row['place']} {row['housenumber']}"
        asked = wanted([line], row["postcode"], row["city"], "LI")
        result, spot = choose(asked, [entry for door in asked.doors for entry in known[door]])
        found[result] += 1
        if spot is not None:
            assert distance_m(spot, LatLon(float(row["lat"]), float(row["lon"]))) < APART_M
    assert found == {Found.ONE: 203, Found.SEVERAL: 3, Found.NONE: 793}


def test_labelled_addresses_give_up_their_doors(data_sets: Path) -> None:
    """Where a number leads a labelled address, it is among the doors that may be meant."""
    text = (data_sets / "addresses_us/train_unparseable.csv").read_text(errors="replace")
    for line in text.splitlines():
        assert all(number and street for number, street in doors([line]))
