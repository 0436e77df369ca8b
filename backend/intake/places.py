"""A gazetteer out of a CSV file: ``housenumber,street,place,postcode,city,country,lat,lon``.

Other columns are ignored. Rows that cannot be matched later (no number, no street, no spot) are
counted and left out; loading the same file again stores nothing twice.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from backend.domain.geo import LatLon
from backend.errors import Malformed
from backend.intake import countries, gazetteer
from backend.intake.gazetteer import Known
from backend.store import intake as store
from backend.store.database import Tx

COLUMNS = ("housenumber", "street", "postcode", "city", "country", "lat", "lon")
_CHUNK = 2_000


class GazetteerInvalid(Malformed):
    """The file is not a gazetteer."""

    code = "gazetteer_invalid"
    title = "The file is not a gazetteer"


@dataclass(slots=True)
class Loaded:
    """What came of a file."""

    stored: int = 0
    left_out: int = 0


async def load_places(tx: Tx, raw: bytes, *, country: str | None) -> Loaded:
    """Store the known places of a file; ``country`` fills in where a row names none.

    Raises:
        GazetteerInvalid: the file is not UTF-8, or columns are missing.
    """
    loaded = Loaded()
    before = await store.count_places(tx)
    chunk: list[dict[str, Any]] = []
    for place in read_places(raw, country or ""):
        if place is None:
            loaded.left_out += 1
            continue
        chunk.append(_columns(place))
        if len(chunk) == _CHUNK:
            await store.add_places(tx, chunk)
            chunk = []
    await store.add_places(tx, chunk)
    loaded.stored = await store.count_places(tx) - before
    return loaded


def read_places(raw: bytes, country: str) -> Iterator[Known | None]:
    """Yield each row as a known place; None where it could never be matched."""
    for row in _rows(raw):
        yield _place(row, country)


def _rows(raw: bytes) -> Iterator[Mapping[str, str | None]]:
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise GazetteerInvalid("it is not UTF-8") from error
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise GazetteerInvalid(f"these columns are missing: {', '.join(missing)}")
    try:
        yield from reader
    except csv.Error as error:
        raise GazetteerInvalid(f"line {reader.line_num}: {error}") from error


def _place(row: Mapping[str, str | None], fallback: str) -> Known | None:
    number = gazetteer.number_key(row["housenumber"] or "")
    street = gazetteer.street_key(row["street"] or row.get("place") or "")
    lat, lon = _degrees(row["lat"], 90), _degrees(row["lon"], 180)
    if not number or not street or lat is None or lon is None or "\0" in number:
        return None
    country = countries.alpha2(row["country"] or fallback) or ""
    return Known(
        number=number,
        street=street,
        postcode=gazetteer.postcode_key(row["postcode"] or "", country),
        city=gazetteer.city_key(row["city"] or ""),
        country=country,
        location=LatLon(lat, lon),
    )


def _columns(place: Known) -> dict[str, Any]:
    """The same place has the same id, so that loading twice stores it once."""
    columns = {
        "key": gazetteer.door_key(place.number, place.street),
        "country": place.country,
        "postcode": place.postcode,
        "city": place.city,
        "lat": place.location.lat,
        "lon": place.location.lon,
    }
    return {"id": uuid5(NAMESPACE_URL, "|".join(map(str, columns.values()))), **columns}


def _degrees(text: str | None, most: float) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) and abs(value) <= most else None
