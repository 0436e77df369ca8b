"""From clean consignments to what shall be written: place, window and segment settled."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from backend.domain.assignment import AssignRule, OrderFacts, assign
from backend.domain.geo import LatLon, distance_m
from backend.intake import gazetteer
from backend.intake.clean import CleanConsignment
from backend.intake.gazetteer import Found
from backend.intake.notes import Remarks, RowCode
from backend.store import intake as store
from backend.store.database import Tx

FAR_M = 300_000.0
SENT, LOOKED_UP = "sent", "gazetteer"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an import is judged against: the depot, its segments and rules."""

    depot: store.DepotKnown
    zone: ZoneInfo
    segments: frozenset[str]
    rules: tuple[AssignRule, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a consignment goes, and who said so; None where nobody could."""

    place: LatLon | None
    source: str | None
    found: Found = Found.ONE


@dataclass(frozen=True, slots=True)
class Settled:
    """The segment and why; the window in moments."""

    segment: str
    reason: str
    window: tuple[dt.datetime, dt.datetime] | None


def settle(
    clean: CleanConsignment, day: dt.date, around: Surroundings, remarks: Remarks
) -> Settled | None:
    """Settle segment and window on a service day, or note what forbids it."""
    found = _segment(clean, around, remarks)
    window = clean.window.on(day, around.zone) if clean.window else None
    if window is not None:
        _check_window(clean, window, day, around, remarks)
    if found is None or remarks.faults:
        return None
    return Settled(found[0], found[1], window)


def _segment(
    clean: CleanConsignment, around: Surroundings, remarks: Remarks
) -> tuple[str, str] | None:
    if clean.segment is not None:
        if clean.segment in around.segments:
            return clean.segment, "sent"
        detail = f"{clean.segment!r} is none of {', '.join(sorted(around.segments))}"
        remarks.fault(clean.place, "segment", RowCode.UNKNOWN_SEGMENT, detail)
        return None
    order = OrderFacts(clean.service, clean.customer_id, clean.value, clean.handling)
    rule = assign(around.rules, order)
    if rule is None or rule.segment not in around.segments:
        detail = "none is named and no rule assigns one"
        remarks.fault(clean.place, "segment", RowCode.NO_SEGMENT, detail)
        return None
    return rule.segment, f"rule: {rule.reason}"


def _check_window(
    clean: CleanConsignment,
    window: tuple[dt.datetime, dt.datetime],
    day: dt.date,
    around: Surroundings,
    remarks: Remarks,
) -> None:
    start, end = window
    if start >= end:
        detail = f"{start.isoformat()} is not before {end.isoformat()}"
        remarks.fault(clean.place, "window/end", RowCode.WINDOW_ORDER, detail)
    elif not start.astimezone(around.zone).date() <= day <= end.astimezone(around.zone).date():
        detail = f"the service day is {day} in {around.depot.timezone}"
        remarks.warn(clean.place, "window/start", RowCode.WINDOW_NOT_ON_DAY, detail)


async def locate(tx: Tx, batch: Sequence[CleanConsignment]) -> dict[str, Spot]:
    """Return the spot of each reference: as sent, else as the gazetteer knows it, else none."""
    asked = {
        clean.reference: gazetteer.wanted(clean.lines, clean.postcode, clean.city, clean.country)
        for clean in batch
        if clean.location is None
    }
    keys = {gazetteer.door_key(*door) for address in asked.values() for door in address.doors}
    entries = await _entries(tx, keys) if keys else {}
    spots = {c.reference: Spot(c.location, SENT) for c in batch if c.location is not None}
    for reference, address in asked.items():
        near = [e for door in address.doors for e in entries.get(gazetteer.door_key(*door), ())]
        found, place = gazetteer.choose(address, near)
        spots[reference] = Spot(place, LOOKED_UP if place else None, found)
    return spots


async def _entries(tx: Tx, keys: set[str]) -> Mapping[str, list[gazetteer.Known]]:
    found: dict[str, list[gazetteer.Known]] = defaultdict(list)
    for key, country, postcode, city, lat, lon in await store.places(tx, keys):
        number, _, street = key.partition("|")
        known = gazetteer.Known(number, street, postcode, city, country, LatLon(lat, lon))
        found[key].append(known)
    return found


def remark_on_spot(
    clean: CleanConsignment, spot: Spot, around: Surroundings, remarks: Remarks
) -> None:
    """Tell what a person should look at: no place, several, or one far away."""
    if spot.place is None:
        code = RowCode.LOCATION_UNRESOLVED
        detail = "no coordinates, and the gazetteer does not know the address; left for a person"
        if spot.found is Found.SEVERAL:
            code = RowCode.LOCATION_AMBIGUOUS
            detail = "no coordinates, and the address lies at several places; left for a person"
        remarks.warn(clean.place, "location", code, detail)
        return
    away = distance_m(spot.place, LatLon(around.depot.lat, around.depot.lon))
    if away > FAR_M:
        detail = f"{away / 1000:,.0f} km from depot {around.depot.code}"
        remarks.warn(clean.place, "location", RowCode.LOCATION_FAR, detail)
