"""Consignments into the database: every change with its entry in the log."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.consignment import ConsignmentState
from backend.domain.people import Actor
from backend.ids import new_id
from backend.intake.clean import CleanConsignment
from backend.intake.prepare import Settled, Spot
from backend.keys import Keys, tracking_hash, tracking_token
from backend.store import intake as store
from backend.store.database import Tx, moment
from backend.tables.consignments import Consignment
from backend.tables.stops import Stop

# Between flushes nobody else in the process is served: some 30 ms.
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Ready:
    """A consignment with everything settled that its row needs."""

    clean: CleanConsignment
    settled: Settled
    spot: Spot
    day: dt.date


def _contact(clean: CleanConsignment) -> dict[str, object]:
    return {
        "recipient_phone": clean.phone.e164 if clean.phone else None,
        "phone_takes_sms": clean.phone.sms if clean.phone else False,
        "recipient_email": clean.email,
        "instructions": clean.instructions,
        "content_hash": clean.content_hash(),
    }


def _columns(ready: Ready) -> dict[str, object]:
    clean, settled, place = ready.clean, ready.settled, ready.spot.place
    start, end = settled.window or (None, None)
    return {
        "segment": settled.segment,
        "segment_reason": settled.reason,
        "service": clean.service,
        "customer_id": clean.customer_id,
        "customer_name": clean.customer_name,
        "value": None if clean.value is None else f"{clean.value:.2f}",
        "service_date": ready.day,
        "recipient_name": clean.recipient,
        "address_lines": list(clean.lines),
        "postcode": clean.postcode,
        "city": clean.city,
        "country": clean.country,
        "lat": place.lat if place else None,
        "lon": place.lon if place else None,
        "location_source": ready.spot.source,
        "window_start": start,
        "window_end": end,
        **_contact(clean),
    }


def _state(spot: Spot) -> str:
    found = ConsignmentState.READY if spot.place else ConsignmentState.NEEDS_ATTENTION
    return found.value


async def create(tx: Tx, keys: Keys, actor: Actor, depot_id: UUID, batch: Sequence[Ready]) -> None:
    """Store new consignments and their parcels."""
    parcels: list[dict[str, Any]] = []
    for number, ready in enumerate(batch, 1):
        consignment_id = new_id()
        change = {
            "depot_id": depot_id,
            "reference": ready.clean.reference,
            "state": _state(ready.spot),
            "tracking_hash": tracking_hash(tracking_token(keys.master, consignment_id)),
            "created_at": moment(tx),
            **_columns(ready),
        }
        rows = _parcel_rows(ready.clean, consignment_id, {})
        parcels.extend(rows)
        event = Event(
            "consignment.imported",
            Consignment,
            consignment_id,
            change,
            create=True,
            parts={"parcels": (None, _as_logged(rows))},
        )
        await record(tx, actor, event)
        if number % AT_ONCE == 0:
            await tx.flush()
    await tx.flush()
    await store.add_parcels(tx, parcels)


async def update(tx: Tx, actor: Actor, row: Consignment, ready: Ready) -> None:
    """Bring a consignment that is not yet out to what was sent now."""
    change = _columns(ready)
    if ready.spot.place is None and _same_address(row, change):
        for name in ("lat", "lon", "location_source"):
            change[name] = getattr(row, name)  # a person, or an earlier look-up, knew better
    if row.state != ConsignmentState.PLANNED:
        located = change["lat"] is not None
        state = ConsignmentState.READY if located else ConsignmentState.NEEDS_ATTENTION
        change["state"] = state.value
    known = await store.parcels(tx, row.id)
    ids = {parcel["barcode"]: parcel["id"] for parcel in known}
    rows = _parcel_rows(ready.clean, row.id, ids)
    before, after = _as_logged(known), _as_logged(rows)
    parts = {} if before == after else {"parcels": (before, after)}
    await record(tx, actor, Event("consignment.updated", Consignment, row.id, change, parts=parts))
    await store.drop_parcels(tx, list(ids.values()))
    await store.add_parcels(tx, rows)


def _as_logged(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return parcels as an entry shows them, by barcode; what is in them is nobody's business."""
    names = ("barcode", "weight_kg", "volume_dm3", "handling")
    by_barcode = sorted(rows, key=lambda row: str(row["barcode"]))
    return [{name: row[name] for name in names} for row in by_barcode]


def _same_address(row: Consignment, change: Mapping[str, object]) -> bool:
    names = ("address_lines", "postcode", "city", "country")
    return all(getattr(row, name) == change[name] for name in names)


async def update_contact(tx: Tx, actor: Actor, row: Consignment, clean: CleanConsignment) -> None:
    """Change how to reach the recipient while the goods are out, and tell the driver."""
    event = Event("consignment.updated", Consignment, row.id, _contact(clean))
    await record(tx, actor, event)
    for stop_id in await store.on_manifests(tx, row.id):
        await record(tx, actor, Event("stop.contact_changed", Stop, stop_id))


async def put_on_map(tx: Tx, actor: Actor, row: Consignment, spot: Spot) -> None:
    """Give a consignment the place that the gazetteer has learnt meanwhile."""
    if spot.place is None:
        return
    change = {
        "lat": spot.place.lat,
        "lon": spot.place.lon,
        "location_source": spot.source,
        "state": ConsignmentState.READY.value,
    }
    await record(tx, actor, Event("consignment.located", Consignment, row.id, change))


def _parcel_rows(
    clean: CleanConsignment, consignment_id: UUID, known: Mapping[str, UUID]
) -> list[dict[str, Any]]:
    """A barcode keeps its parcel's id, so that what was said about it stays true."""
    return [
        {
            "id": known.get(parcel.barcode) or new_id(),
            "consignment_id": consignment_id,
            "barcode": parcel.barcode,
            "description": parcel.description,
            "weight_kg": parcel.weight_kg,
            "volume_dm3": parcel.volume_dm3,
            "handling": list(parcel.handling),
        }
        for parcel in clean.parcels
    ]
