"""Real input for the whole main job: a trading day of a shop, or a courier's instance, as a file.

    python -m scripts.real_day retail online_retail.csv.gz baltimore_addr.csv --out day.csv
    python -m scripts.real_day loggibud cvrp-0-rj-3.json --out rio.json

Every choice is made by a rule, none by hand; the same input gives the same file.

Retail: the day with the most invoices, unless one is named. An invoice is a consignment: its goods
lines (StockCode of five digits, positive quantity and price, exact duplicates once), without
cancellations. The place is the complete address whose number in the list sorted by osm_id is the
SHA-256 of the customer (or the invoice of a guest) modulo its length. A customer with at least ten
invoices in the whole year asks for service ``business``, a guest for ``economy``; the rest is left
to the assignment rules. A piece weighs 150 g and fills 0.6 dm³, a parcel 300 g and at most 20 kg;
invoices above 600 kg go by freight and are left out. Every tenth consignment (by the same hash)
comes without coordinates, for the gazetteer to find.

Loggibud: a delivery id is a consignment; an id that appears twice has two parcels. One unit of
demand is one kilogram and four cubic decimetres.
"""

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import click

from backend.intake.csv_value import COLUMNS

PIECE_KG, PIECE_DM3, PACKING_KG = 0.15, 0.6, 0.3
PARCEL_KG, FREIGHT_KG = 20.0, 600.0
REGULAR = 10
_GOODS = re.compile(r"\d{5}[A-Za-z]*")
_IN = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@dataclass(slots=True)
class Invoice:
    """One order of the shop."""

    number: str
    customer: str
    pieces: int = 0
    value: float = 0.0
    seen: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def weight_kg(self) -> float:
        """What its goods weigh, unpacked."""
        return self.pieces * PIECE_KG

    def draw(self) -> int:
        """The number that stands for its customer in every choice."""
        who = self.customer or self.number
        return int.from_bytes(sha256(who.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Year:
    """The shop's invoices by day, and how often each customer ordered."""

    days: dict[str, dict[str, Invoice]]
    orders: Counter[str]

    def busiest(self) -> str:
        """Return the day with the most invoices, the earlier one if two are equal."""
        return min(self.days, key=lambda day: (-len(self.days[day]), day))


def read_year(lines: Iterable[dict[str, str]]) -> Year:
    """Gather the goods lines into invoices."""
    days: dict[str, dict[str, Invoice]] = defaultdict(dict)
    for line in lines:
        quantity, price = int(line["Quantity"]), float(line["UnitPrice"])
        number = line["InvoiceNo"]
        if not number.isdigit() or quantity <= 0 or price <= 0:
            continue
        if not _GOODS.fullmatch(line["StockCode"]):
            continue
        day = line["InvoiceDate"][:10]
        invoice = days[day].setdefault(number, Invoice(number, line["CustomerID"]))
        row = tuple(line.values())
        if row not in invoice.seen:
            invoice.seen.add(row)
            invoice.pieces += quantity
            invoice.value += quantity * price
    customers = (i.customer for day in days.values() for i in day.values() if i.customer)
    return Year(dict(days), Counter(customers))


def read_addresses(lines: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the complete addresses in the order of their osm_id."""
    complete = [line for line in lines if line["housenumber"] and line["street"] and line["city"]]
    return sorted(complete, key=lambda line: line["osm_id"])


def consignments(
    invoices: Iterable[Invoice], orders: Counter[str], addresses: list[dict[str, str]]
) -> Iterator[dict[str, str]]:
    """Yield the lines of the import file, one a parcel."""
    for invoice in sorted(invoices, key=lambda i: i.number):
        if invoice.weight_kg > FREIGHT_KG:
            continue
        head = _head(invoice, orders, addresses[invoice.draw() % len(addresses)])
        for number, pieces in enumerate(_parcels(invoice.pieces), 1):
            yield {
                **head,
                "barcode": f"OR{invoice.number}-{number}",
                "description": f"{pieces} pieces",
                "weight_kg": f"{pieces * PIECE_KG + PACKING_KG:.2f}",
                "volume_dm3": f"{pieces * PIECE_DM3:.1f}",
            }


def _head(invoice: Invoice, orders: Counter[str], at: dict[str, str]) -> dict[str, str]:
    located = invoice.draw() // 1_000 % 10 != 0
    name = f"Customer {invoice.customer}" if invoice.customer else f"Guest {invoice.number}"
    return {
        "reference": f"OR-{invoice.number}",
        "service": _service(invoice, orders),
        "customer_id": invoice.customer,
        "value": f"{invoice.value:.2f}",
        "recipient_name": name,
        "address_line1": f"{at['housenumber']} {at['street']}",
        "postcode": at["postcode"],
        "city": at["city"],
        "country": at["country"] or "US",
        "lat": at["lat"] if located else "",
        "lon": at["lon"] if located else "",
    }


def _service(invoice: Invoice, orders: Counter[str]) -> str:
    if not invoice.customer:
        return "economy"
    return "business" if orders[invoice.customer] >= REGULAR else ""


def _parcels(pieces: int) -> Iterator[int]:
    most = int((PARCEL_KG - PACKING_KG) / PIECE_KG)
    while pieces > 0:
        yield min(pieces, most)
        pieces -= most


def from_loggibud(instance: dict[str, object]) -> list[dict[str, object]]:
    """Return the consignments of an instance as import JSON."""
    name, deliveries = instance["name"], instance["deliveries"]
    assert isinstance(deliveries, list)
    parts: dict[str, list[dict[str, object]]] = defaultdict(list)
    for delivery in deliveries:
        parts[delivery["id"]].append(delivery)
    return [_delivery(f"{name}-{key[:12]}", same) for key, same in parts.items()]


def _delivery(reference: str, same: list[dict[str, object]]) -> dict[str, object]:
    point = same[0]["point"]
    assert isinstance(point, dict)
    return {
        "reference": reference,
        "recipient": {"name": f"Delivery {reference}"},
        "address": {
            "lines": [f"{point['lat']:.6f}, {point['lng']:.6f}"],
            "city": "Rio de Janeiro",
            "country": "BR",
        },
        "location": {"lat": point["lat"], "lon": point["lng"]},
        "parcels": [_unit(f"{reference}-{n}", part["size"]) for n, part in enumerate(same, 1)],
    }


def _unit(barcode: str, size: object) -> dict[str, object]:
    assert isinstance(size, int)
    return {"barcode": barcode, "weight_kg": size, "volume_dm3": size * 4, "handling": []}


@click.group()
def main() -> None:
    """Turn public data sets into import files."""


@main.command()
@click.argument("shop", type=_IN)
@click.argument("places", type=_IN)
@click.option("--day", help="YYYY-MM-DD.  [default: the busiest]")
@click.option("--out", type=_OUT, required=True)
def retail(shop: Path, places: Path, day: str | None, out: Path) -> None:
    """Write a trading day of the shop at the addresses of a town."""
    with gzip.open(shop, "rt", encoding="utf-8", newline="") as file:
        year = read_year(csv.DictReader(file))
    with places.open(encoding="utf-8", newline="") as file:
        addresses = read_addresses(csv.DictReader(file))
    chosen = day or year.busiest()
    if chosen not in year.days:
        raise click.ClickException(f"the shop did not trade on {chosen}")
    rows = list(consignments(year.days[chosen].values(), year.orders, addresses))
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    whole = len({row["reference"] for row in rows})
    weight = sum(float(row["weight_kg"]) for row in rows)
    freight = len(year.days[chosen]) - whole
    click.echo(
        f"{chosen}: {whole} consignments, {len(rows)} parcels, {weight:,.0f} kg; "
        f"{freight} by freight, left out"
    )


@main.command()
@click.argument("instance", type=_IN)
@click.option("--out", type=_OUT, required=True)
def loggibud(instance: Path, out: Path) -> None:
    """Write a courier's instance as import JSON, and say where its depot is."""
    raw = json.loads(instance.read_text(encoding="utf-8"))
    found = from_loggibud(raw)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    origin, capacity = raw["origin"], raw["vehicle_capacity"]
    click.echo(
        f"{raw['name']}: {len(found)} consignments, {len(raw['deliveries'])} parcels; depot at "
        f"{origin['lat']:.6f}, {origin['lng']:.6f}; a vehicle holds {capacity} kg"
    )


if __name__ == "__main__":
    main()
