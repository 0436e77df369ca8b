"""What intake says about a row: where it stands, which fault or warning, and in words."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class RowCode(StrEnum):
    """Every remark intake can make about a row. The words are stable; machines match on them."""

    # rejections: the row does not go in
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    MALFORMED = "malformed"
    NOT_UTF8 = "not_utf8"
    BAD_QUOTING = "bad_quoting"
    UNTERMINATED_QUOTE = "unterminated_quote"
    RECORD_TOO_LONG = "record_too_long"
    FIELD_COUNT = "field_count"
    CONTROL_CHARACTER = "control_character"
    TOO_LONG = "too_long"
    TOO_MANY = "too_many"
    BAD_NUMBER = "bad_number"
    OUT_OF_RANGE = "out_of_range"
    BAD_WORD = "bad_word"
    LOCATION_INCOMPLETE = "location_incomplete"
    LOCATION_OUT_OF_RANGE = "location_out_of_range"
    UNKNOWN_COUNTRY = "unknown_country"
    BAD_POSTCODE = "bad_postcode"
    BAD_TIME = "bad_time"
    WINDOW_INCOMPLETE = "window_incomplete"
    WINDOW_ORDER = "window_order"
    NO_PARCELS = "no_parcels"
    DUPLICATE_BARCODE = "duplicate_barcode"
    REFERENCE_CONFLICT = "reference_conflict"
    UNKNOWN_SEGMENT = "unknown_segment"
    NO_SEGMENT = "no_segment"
    ALREADY_PLANNED = "already_planned"
    ALREADY_RELEASED = "already_released"
    ALREADY_SETTLED = "already_settled"
    OTHER_DEPOT = "other_depot"
    MORE_NOT_LISTED = "more_not_listed"

    # warnings: the row goes in
    UNKNOWN_MEMBER = "unknown_member"
    UNKNOWN_COLUMN = "unknown_column"
    DUPLICATE_ROW = "duplicate_row"
    PHONE_INVALID = "phone_invalid"
    PHONE_NO_SMS = "phone_no_sms"
    EMAIL_INVALID = "email_invalid"
    LOCATION_ZERO = "location_zero"
    LOCATION_FAR = "location_far"
    LOCATION_UNRESOLVED = "location_unresolved"
    LOCATION_AMBIGUOUS = "location_ambiguous"
    BARCODE_ROUNDED = "barcode_rounded"
    WINDOW_NOT_ON_DAY = "window_not_on_day"
    PLAN_AGAIN = "plan_again"


class RowNote(msgspec.Struct, frozen=True):
    """One remark on the wire."""

    line: int | None
    pointer: str
    code: str
    detail: str


# Where a CSV column of the contract differs from the JSON member it carries.
_COLUMNS = {
    "customer": "customer_id",
    "customer/id": "customer_id",
    "recipient": "recipient_name",
    "recipient/name": "recipient_name",
    "recipient/phone": "recipient_phone",
    "recipient/email": "recipient_email",
    "address/lines": "address_line1",
    "address/lines/0": "address_line1",
    "address/lines/1": "address_line2",
    "address/postcode": "postcode",
    "address/city": "city",
    "address/country": "country",
    "location": "lat",
    "location/lat": "lat",
    "location/lon": "lon",
    "window": "window_start",
    "window/start": "window_start",
    "window/end": "window_end",
    "parcels": "barcode",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: a line of a CSV file, or an element of a JSON list."""

    line: int | None
    index: int | None = None

    def pointer(self, member: str) -> str:
        """Return where a member is found: ``/city`` in CSV, ``/3/address/city`` in JSON."""
        if self.index is not None:
            return f"/{self.index}/{member}" if member else f"/{self.index}"
        if member.startswith("parcels/"):
            member = member.split("/")[2] if member.count("/") > 1 else "barcode"
        column = _COLUMNS.get(member, member)
        return f"/{column}" if column else ""


@dataclass(slots=True)
class Remarks:
    """The faults and warnings gathered while one record or consignment is read."""

    faults: list[RowNote] = field(default_factory=list)
    warnings: list[RowNote] = field(default_factory=list)

    def fault(self, place: Place, member: str, code: RowCode, detail: str) -> None:
        """Note why the row cannot go in."""
        self.faults.append(RowNote(place.line, place.pointer(member), code.value, detail))

    def warn(self, place: Place, member: str, code: RowCode, detail: str) -> None:
        """Note what a person may want to look at; the row goes in."""
        self.warnings.append(RowNote(place.line, place.pointer(member), code.value, detail))


def one_per_record(faults: list[RowNote]) -> list[RowNote]:
    """Return one remark per bad record: its first fault, with the further ones told in words."""
    first: dict[tuple[int | None, str], RowNote] = {}
    for note in faults:
        where = (note.line, "" if note.line is not None else note.pointer.split("/")[1])
        known = first.get(where)
        if known is None:
            first[where] = note
        else:
            detail = f"{known.detail}; also {note.pointer} {note.code}: {note.detail}"
            first[where] = RowNote(known.line, known.pointer, known.code, detail[:1_000])
    return list(first.values())
