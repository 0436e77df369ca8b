"""Depots, segments and files for the tests of intake."""

import io
import json

from backend.audit.record import Event, record
from backend.dispatch import segments
from backend.domain.people import SYSTEM
from backend.ids import new_id
from backend.intake.csv_rows import CsvRows
from backend.intake.json_rows import JsonRows
from backend.intake.seed import first_rules, seed_rules
from backend.keys import Keys
from backend.store.database import Database
from backend.tables.fleet import Depot
from tests.fixtures.words import unlike

KEYS = Keys(b"m" * 32, b"l" * 32, "test/log")


async def depot(db: Database, timezone: str = "Europe/London", place: str = "Leeds") -> str:
    """Record a depot of its own code, with segments and rules in place; return the code."""
    spots = {"Leeds": (53.8, -1.55), "Baltimore": (39.29, -76.6), "Rio": (-22.8, -43.37)}
    depot_id = new_id()
    code = f"d{unlike()}"
    lat, lon = spots[place]
    values = {"code": code, "name": place, "lat": lat, "lon": lon, "timezone": timezone}
    async with db.begin() as tx:
        await segments.seed(tx, segments.first_versions())
        await seed_rules(tx, first_rules())
        await record(tx, SYSTEM, Event("depot.added", Depot, depot_id, values, create=True))
    return code


def order(reference: str, **members: object) -> dict[str, object]:
    """One good consignment as JSON, with what a test wants otherwise."""
    return {
        "reference": reference,
        "recipient": {"name": "Ann Lee", "phone": "07400 123456"},
        "address": {"lines": ["1 High Street"], "city": "Leeds", "country": "GB"},
        "location": {"lat": 53.79, "lon": -1.54},
        "parcels": [{"barcode": f"{reference}-1", "weight_kg": 1, "volume_dm3": 2.5}],
        **members,
    }


def json_rows(*orders: dict[str, object]) -> JsonRows:
    """A JSON file of these."""
    return JsonRows(json.dumps(orders).encode())


def csv_rows(text: str) -> CsvRows:
    """A CSV file of this text."""
    return CsvRows(io.BytesIO(text.encode()))


def fresh(prefix: str = "R") -> str:
    """A reference no other test uses."""
    return f"{prefix}-{unlike()}"
