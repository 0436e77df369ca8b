"""Orders nobody placed: parcels for one city, in four segments, with the oddities of real files."""

import csv
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import msgspec

_SEGMENTS = ("premium",) * 3 + ("business",) * 5 + ("standard",) * 7 + ("economy",) * 5
_STREETS = (
    "Aliceanna Street", "Boston Street", "Calvert Street", "Charles Street", "Eastern Avenue",
    "Fleet Street", "Gough Street", "Light Street", "Linwood Avenue", "Patterson Park Avenue",
    "Roland Avenue", "Saint Paul Street", "Thames Street", "Wolfe Street",
)  # fmt: skip
_FIRST = ("Ada", "Ben", "Chidi", "Dora", "Emil", "Fatima", "Grace", "Hugo", "Ines", "Jonas")
_LAST = ("Alvarez", "Brandt", "Chen", "Dubois", "Evans", "Fischer", "Garcia", "Haddad", "Ito")
_WINDOWS = (("08:00", "12:00"), ("09:00", "13:00"), ("12:00", "17:00"), ("08:00", "18:00"))
_SPREAD = 0.03  # degrees; three kilometres to each side


class Location(TypedDict):
    lat: float
    lon: float


class Order(TypedDict, total=False):
    """One item of the import contract's JSON."""

    reference: str
    segment: str
    service: str
    customer: dict[str, str]
    value: float
    recipient: dict[str, str]
    address: dict[str, str | list[str]]
    location: Location
    window: dict[str, str]
    parcels: list[dict[str, str | float | list[str]]]
    instructions: str


@dataclass(frozen=True, slots=True)
class City:
    """Where a depot delivers."""

    name: str
    country: str
    postcode: str
    lat: float
    lon: float


def orders(city: City, count: int, *, seed: int, prefix: str) -> list[Order]:
    """So many orders around the city's centre; the same seed gives the same orders."""
    dice = random.Random(seed)  # noqa: S311 - made up, not secret
    return [_order(city, f"{prefix}-{number:04d}", dice) for number in range(1, count + 1)]


def _order(city: City, reference: str, dice: random.Random) -> Order:
    name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
    street = f"{dice.randrange(1, 3000)} {dice.choice(_STREETS)}"
    start, end = dice.choice(_WINDOWS)
    return Order(
        reference=reference,
        segment=dice.choice(_SEGMENTS),
        customer={"id": f"shop-{dice.randrange(1, 6)}"},
        value=round(dice.lognormvariate(3.5, 0.8), 2),
        recipient={"name": name, "phone": f"410-555-01{dice.randrange(100):02d}"},
        address={
            "lines": [street],
            "postcode": city.postcode,
            "city": city.name,
            "country": city.country,
        },
        location=Location(
            lat=round(city.lat + dice.uniform(-_SPREAD, _SPREAD), 6),
            lon=round(city.lon + dice.uniform(-_SPREAD, _SPREAD), 6),
        ),
        window={"start": start, "end": end},
        parcels=[_parcel(reference, part, dice) for part in range(dice.choice((1, 1, 1, 2)))],
    )


def _parcel(reference: str, part: int, dice: random.Random) -> dict[str, str | float | list[str]]:
    return {
        "barcode": f"{reference}-P{part + 1}",
        "description": dice.choice(("books", "shoes", "spare parts", "tea", "toys")),
        "weight_kg": round(dice.uniform(0.2, 9), 1),
        "volume_dm3": round(dice.uniform(1, 25), 1),
        "handling": ["fragile"] if dice.random() < 0.1 else [],
    }


def with_oddities(orders_: Sequence[Order]) -> list[Order]:
    """What real files hold: no segment, no spot, an address nobody knows, goods no van carries."""
    odd = list(orders_)
    for order in odd[5:12]:
        del order["segment"]
    for order in odd[40:55]:
        del order["location"]  # the gazetteer knows
    unknown, heavy = odd[20], odd[30]
    del unknown["location"]
    unknown["address"] = {**unknown["address"], "lines": ["The house with the red door"]}
    heavy["parcels"] = [{**heavy["parcels"][0], "weight_kg": 4000.0, "description": "a lathe"}]
    return odd


def known_places(orders_: Sequence[Order]) -> bytes:
    """A gazetteer, as CSV, of where these orders go."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["housenumber", "street", "postcode", "city", "country", "lat", "lon"])
    for order in orders_:
        address, spot = order["address"], order["location"]
        number, _, street = str(address["lines"][0]).partition(" ")
        where = (address["postcode"], address["city"], address["country"])
        rows.writerow([number, street, *where, spot["lat"], spot["lon"]])
    return out.getvalue().encode()


def as_json(orders_: Sequence[Order]) -> bytes:
    """The body of an import; its last record is broken, as one always is."""
    broken = {"reference": "", "recipient": {"name": "Nobody"}}
    return msgspec.json.encode([*orders_, broken])


def as_csv(orders_: Sequence[Order]) -> bytes:
    """The same as CSV, one line a parcel, with a broken line at the end too."""
    out = io.StringIO()
    rows = csv.DictWriter(out, _COLUMNS)
    rows.writeheader()
    for order in orders_:
        rows.writerows(_lines(order))
    rows.writerow({"reference": "", "recipient_name": "Nobody"})
    return out.getvalue().encode()


_COLUMNS = (
    "reference", "segment", "service", "customer_id", "value", "recipient_name",
    "recipient_phone", "recipient_email", "address_line1", "address_line2", "postcode", "city",
    "country", "lat", "lon", "window_start", "window_end", "barcode", "description", "weight_kg",
    "volume_dm3", "handling", "instructions",
)  # fmt: skip


def _lines(order: Order) -> Iterator[dict[str, object]]:
    address, recipient = order["address"], order["recipient"]
    whole: dict[str, object] = {
        "reference": order["reference"],
        "segment": order.get("segment", ""),
        "customer_id": order["customer"]["id"],
        "value": order["value"],
        "recipient_name": recipient["name"],
        "recipient_phone": recipient["phone"],
        "address_line1": address["lines"][0],
        "postcode": address["postcode"],
        "city": address["city"],
        "country": address["country"],
        "window_start": order["window"]["start"],
        "window_end": order["window"]["end"],
        **order.get("location", {}),
    }
    for parcel in order["parcels"]:
        handling = parcel["handling"]
        joined = ";".join(handling) if isinstance(handling, list) else handling
        yield {**whole, **parcel, "handling": joined}
