"""The wire form of a consignment, which both file formats are read into before cleansing."""

from dataclasses import dataclass

import msgspec

from backend.errors import TooLarge
from backend.intake.notes import Place, RowNote

MOST_RECORDS = 250_000


class TooManyRecords(TooLarge):
    """One call or file takes so many records; the sender splits it."""

    code = "too_many_records"
    title = f"More than {MOST_RECORDS:,} records: split the file"


class CustomerIn(msgspec.Struct, frozen=True):
    """Who ordered."""

    id: str
    name: str | None = None


class RecipientIn(msgspec.Struct, frozen=True):
    """Who receives."""

    name: str
    phone: str | None = None
    email: str | None = None


class AddressIn(msgspec.Struct, frozen=True):
    """Where, in words."""

    lines: tuple[str, ...]
    city: str
    country: str
    postcode: str | None = None


class LocationIn(msgspec.Struct, frozen=True):
    """Where, in degrees; one of the two may be missing only to be told so."""

    lat: float | None = None
    lon: float | None = None


class WindowIn(msgspec.Struct, frozen=True):
    """When: RFC 3339, or local time of the service day as HH:MM."""

    start: str = ""
    end: str = ""


class ParcelIn(msgspec.Struct, frozen=True):
    """One thing to hand over."""

    barcode: str
    weight_kg: float
    volume_dm3: float
    description: str | None = None
    handling: tuple[str, ...] | None = None


class ConsignmentIn(msgspec.Struct, frozen=True):
    """One consignment as it was sent; in CSV, one line of it with one parcel."""

    reference: str
    recipient: RecipientIn
    address: AddressIn
    parcels: tuple[ParcelIn, ...]
    segment: str | None = None
    service: str | None = None
    customer: CustomerIn | None = None
    value: float | None = None
    location: LocationIn | None = None
    window: WindowIn | None = None
    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: read, or told why it cannot be."""

    place: Place
    value: ConsignmentIn | None
    faults: tuple[RowNote, ...] = ()
    warnings: tuple[RowNote, ...] = ()


# All records of one reference, in the order of the file.
Group = tuple[Record, ...]
