"""Golden envelopes: what every released kind and version looks like, and what must come of it.

A file of ``golden/`` holds the cases of one (kind, kind_version), each with the envelopes of one
phone in order and what they lead to. ``released.txt`` lists every case by its hash: a line is added
with each new case and never changed, since phones out there keep sending what it shows.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import rfc8785

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.ids import new_id
from backend.keys import Keys
from backend.store.database import Database, Tx, moment
from backend.tables.consignments import Parcel
from backend.tables.devices import Device, DeviceJournal
from backend.tables.plans import Route
from backend.tables.stops import RouteAssignment, Stop, StopAssignment
from tests.fixtures.visits import Round, a_round

FOLDER = Path(__file__).with_name("golden")
RELEASED = FOLDER / "released.txt"
Json = dict[str, Any]
# What the phone's clocks show when it sends; the envelopes were written nineteen minutes earlier.
CLIENT = {
    "wall": "2026-11-23T08:00:00.000Z",
    "monotonic_ms": 9251111,
    "boot": "f2f5c0de-boot",
}


@dataclass(frozen=True, slots=True)
class Golden:
    """One case of a released kind and version."""

    kind: str
    version: int
    case: Json

    @property
    def name(self) -> str:
        """How tests and the list of released cases call it."""
        return f"{self.kind} v{self.version}: {self.case['name']}"

    @property
    def hash(self) -> str:
        """SHA-256 over everything the case says (RFC 8785)."""
        return hashlib.sha256(rfc8785.dumps(self.case)).hexdigest()

    @property
    def envelopes(self) -> list[Json]:
        """What the phone sends, in order."""
        sent: list[Json] = self.case["envelopes"]
        return sent

    def named(self, member: str) -> list[UUID]:
        """The stops or routes that the envelopes speak of, each once."""
        return list(dict.fromkeys(UUID(m[member]) for m in self.envelopes if member in m))

    def stops(self) -> list[UUID]:
        """The stops that the envelopes speak of, or put in order."""
        ordered = [
            UUID(id_) for m in self.envelopes for id_ in m.get("body", {}).get("stop_ids", [])
        ]
        return list(dict.fromkeys([*self.named("stop_id"), *ordered]))

    def parcels(self) -> list[UUID]:
        """The parcels that deliveries account for."""
        fates = [fate for m in self.envelopes for fate in m.get("body", {}).get("parcels", [])]
        return [UUID(fate["parcel_id"]) for fate in fates]


def golden_cases() -> Iterator[Golden]:
    """Read every case there is."""
    for path in sorted(FOLDER.glob("*.json")):
        held = json.loads(path.read_text())
        for case in held["cases"]:
            yield Golden(held["kind"], held["kind_version"], case)


def released() -> dict[str, str]:
    """Return the hashes of the released cases by name."""
    lines = RELEASED.read_text().splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


async def ground_for(golden: Golden, db: Database, keys: Keys) -> UUID:
    """Record a driver with the stops, routes and parcels that a case names; return his device."""
    made = await a_round(db, golden.case["segment"], keys=keys)
    async with db.begin() as tx:
        for route_id in golden.named("route_id"):
            made.route = await _route(tx, made, route_id)
        for stop_id in golden.stops():
            await _stop(tx, made, stop_id)
        for parcel_id in golden.parcels():
            await _parcel(tx, made, parcel_id)
    return await _device(db, made, golden.case.get("public_key"))


async def _stop(tx: Tx, made: Round, stop_id: UUID) -> None:
    (like,) = [await tx.get_one(Stop, id_) for id_ in made.stops.values()]
    values = {**_values(like), "route_id": made.route}
    await record(tx, SYSTEM, Event("stop.released", Stop, stop_id, values, create=True))
    await tx.flush()
    tx.add(StopAssignment(stop_id=stop_id, driver_id=made.driver, since=moment(tx)))


async def _route(tx: Tx, made: Round, route_id: UUID) -> UUID:
    like = await tx.get_one(Route, made.route)
    await record(tx, SYSTEM, Event("route.released", Route, route_id, _values(like), create=True))
    await tx.flush()
    tx.add(RouteAssignment(route_id=route_id, driver_id=made.driver))
    return route_id


async def _parcel(tx: Tx, made: Round, parcel_id: UUID) -> None:
    (goods,) = made.consignments.values()
    kept: Json = {
        "barcode": parcel_id.hex[:12],
        "weight_kg": 1.0,
        "volume_dm3": 2.0,
        "handling": [],
    }
    tx.add(Parcel(id=parcel_id, consignment_id=goods, **kept))


def _values(row: Stop | Route) -> Json:
    return row.model_dump(exclude={"id", "version", "entry"})


async def _device(db: Database, made: Round, public_key: str | None) -> UUID:
    if public_key is None:
        return made.device
    device_id = new_id()
    async with db.begin() as tx:
        values: Json = {"driver_id": made.driver, "platform": "android", "model": "T1"}
        values |= {"app_version": "1", "enrolled_at": moment(tx)}
        values["public_key"] = base64.urlsafe_b64decode(public_key + "=")
        await record(tx, SYSTEM, Event("device.enrolled", Device, device_id, values, create=True))
        await tx.flush()
        tx.add(DeviceJournal(device_id=device_id, acked_n=0))
    return device_id
