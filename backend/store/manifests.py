"""Reads behind a manifest: routes, stops and parcels as they are now, as plain values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.store.database import Tx
from backend.store.devices import KnownDevice
from backend.store.direct import fetch, fetch_one

MOST_WANTED = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a device and its driver's scope stand, in one look."""

    device: KnownDevice
    epoch: UUID
    v: int
    floor: int
    acked_n: int
    seen_at: datetime | None
    wanted: list[str]


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route as a manifest shows it."""

    id: UUID
    version: int
    date: date
    state: str
    released_at: datetime | None
    depot_name: str
    depot_lat: float
    depot_lon: float
    vehicle: str
    shift_start: datetime
    shift_end: datetime
    stop_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ParcelLine:
    """A parcel as a manifest shows it."""

    id: UUID
    barcode: str
    description: str | None
    weight_kg: float
    handling: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopLine:
    """A stop and its consignment, as far as a manifest may show them."""

    id: UUID
    route_id: UUID
    consignment_id: UUID
    sequence: int
    version: int
    state: str
    proof: str
    attempt: int
    segment: str
    priority: int
    eta: datetime
    window_start: datetime
    window_end: datetime
    service_s: int
    policy_version: int
    door_issue: int
    door_expires_at: datetime | None
    recipient_name: str
    recipient_phone: str | None
    customer_name: str | None
    postcode: str | None
    city: str
    lat: float | None
    lon: float | None
    instructions: str | None
    safe_place: str | None
    address_lines: tuple[str, ...]
    parcels: tuple[ParcelLine, ...]


_STANDING = """
SELECT d.id, d.driver_id, d.revoked_at, d.public_key, i.epoch, coalesce(s.v, 0),
       coalesce(s.floor, 0), j.acked_n, j.seen_at, ARRAY(
  SELECT DISTINCT r.sha256 FROM evidence_ref r
  WHERE r.driver_id = d.driver_id AND r.wanted ORDER BY r.sha256 LIMIT $2)
FROM device d JOIN device_journal j ON j.device_id = d.id CROSS JOIN installation i
LEFT JOIN scope s ON s.id = 'driver:' || d.driver_id
WHERE d.id = $1
"""


async def standing(tx: Tx, device_id: UUID) -> Standing | None:
    """Look up whose device this is and what an idle sync needs, in one statement."""
    row = await fetch_one(tx, _STANDING, device_id, MOST_WANTED)
    return None if row is None else Standing(KnownDevice(*row[:4]), *row[4:])


_ROUTES = """
SELECT r.id, r.version, r.date, r.state, r.released_at, d.name AS depot_name, d.lat AS depot_lat,
       d.lon AS depot_lon, v.code AS vehicle, s.starts_at AS shift_start, s.ends_at AS shift_end,
       ARRAY(
  SELECT id FROM stop WHERE stop.route_id = r.id
    AND stop.manifest_driver_id = r.manifest_driver_id ORDER BY sequence, id) AS stop_ids
FROM route r JOIN depot d ON d.id = r.depot_id JOIN vehicle v ON v.id = r.vehicle_id
JOIN shift s ON s.id = r.shift_id
WHERE r.id = ANY($1)
"""


async def routes(tx: Tx, ids: Collection[UUID]) -> list[RouteLine]:
    """Return routes with the order of their stops that are still on the manifest."""
    if not ids:
        return []
    rows = await fetch(tx, _ROUTES, ids)
    return [RouteLine(**{**row, "stop_ids": tuple(row["stop_ids"])}) for row in rows]


_STOPS = """
SELECT s.id, s.route_id, s.consignment_id, s.sequence, s.version, s.state, s.proof, s.attempt,
       s.segment, s.priority, s.eta, s.window_start, s.window_end, s.service_s, s.policy_version,
       s.door_issue, s.door_expires_at, c.recipient_name, c.recipient_phone, c.customer_name,
       c.postcode, c.city, c.lat, c.lon, c.instructions, c.safe_place, c.address_lines, (
  SELECT json_agg(json_build_object('id', p.id, 'barcode', p.barcode, 'description',
    p.description, 'weight_kg', p.weight_kg, 'handling', p.handling) ORDER BY p.barcode, p.id)
  FROM parcel p WHERE p.consignment_id = s.consignment_id)::text AS parcels
FROM stop s JOIN consignment c ON c.id = s.consignment_id
WHERE s.id = ANY($1)
"""
_PARCELS = msgspec.json.Decoder(tuple[ParcelLine, ...])


async def stops(tx: Tx, ids: Collection[UUID]) -> list[StopLine]:
    """Return stops with their parcels and what a manifest shows of their consignments."""
    if not ids:
        return []
    return [_stop(row) for row in await fetch(tx, _STOPS, ids)]


def _stop(row: Mapping[str, Any]) -> StopLine:
    parcels = _PARCELS.decode(row["parcels"] or "[]")
    return StopLine(**{**row, "address_lines": tuple(row["address_lines"]), "parcels": parcels})
