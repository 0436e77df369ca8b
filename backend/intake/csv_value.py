"""One CSV row as one record: names to members, text to numbers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.intake.notes import Place, Remarks, RowCode
from backend.intake.records import (
    AddressIn,
    ConsignmentIn,
    CustomerIn,
    LocationIn,
    ParcelIn,
    RecipientIn,
    Record,
    WindowIn,
)

COLUMNS = (
    "reference", "segment", "service", "customer_id", "value", "recipient_name",
    "recipient_phone", "recipient_email", "address_line1", "address_line2", "postcode", "city",
    "country", "lat", "lon", "window_start", "window_end", "barcode", "description", "weight_kg",
    "volume_dm3", "handling", "instructions",
)  # fmt: skip
REQUIRED = (
    "reference", "recipient_name", "address_line1", "city", "country", "barcode", "weight_kg",
    "volume_dm3",
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,3})?")


@dataclass(slots=True)
class _Row:
    """The fields of one line, blank ones absent."""

    place: Place
    fields: Mapping[str, str]
    remarks: Remarks = field(default_factory=Remarks)

    def text(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    def maybe(self, name: str) -> str | None:
        return self.text(name) or None

    def number(self, name: str) -> float | None:
        text = self.text(name)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            detail = f"{text[:40]!r} is not a number with a decimal point"
            self.remarks.fault(self.place, name, RowCode.BAD_NUMBER, detail)
            return None
        return float(text)

    def amount(self, name: str) -> float:
        """Return a number that must be there; zero with a fault where it is not."""
        if not self.text(name):
            self.remarks.fault(self.place, name, RowCode.MISSING, "is required")
        return self.number(name) or 0.0


def record_of(place: Place, fields: Mapping[str, str]) -> Record:
    """Read one line."""
    row = _Row(place, fields)
    value = ConsignmentIn(
        reference=row.text("reference"),
        recipient=RecipientIn(
            row.text("recipient_name"), row.maybe("recipient_phone"), row.maybe("recipient_email")
        ),
        address=_address(row),
        parcels=(_parcel(row),),
        segment=row.maybe("segment"),
        service=row.maybe("service"),
        customer=CustomerIn(row.text("customer_id")) if row.text("customer_id") else None,
        value=row.number("value"),
        location=_location(row),
        window=_window(row),
        instructions=row.maybe("instructions"),
    )
    return Record(place, value, tuple(row.remarks.faults))


def _address(row: _Row) -> AddressIn:
    lines = [row.text("address_line1"), row.text("address_line2")]
    return AddressIn(
        tuple(line for line in lines if line),
        row.text("city"),
        row.text("country"),
        row.maybe("postcode"),
    )


def _location(row: _Row) -> LocationIn | None:
    lat, lon = row.number("lat"), row.number("lon")
    return None if lat is None and lon is None else LocationIn(lat, lon)


def _window(row: _Row) -> WindowIn | None:
    start, end = row.text("window_start"), row.text("window_end")
    return WindowIn(start, end) if start or end else None


def _parcel(row: _Row) -> ParcelIn:
    handling = tuple(token for token in row.text("handling").split(";") if token.strip())
    return ParcelIn(
        row.text("barcode"),
        row.amount("weight_kg"),
        row.amount("volume_dm3"),
        row.maybe("description"),
        handling,
    )
