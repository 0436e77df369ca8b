"""From the records of one reference to one clean consignment, or the faults that keep it out."""

import re
from collections.abc import Sequence
from math import isfinite

from backend.domain.geo import LatLon
from backend.intake import countries, phones, postcodes, text
from backend.intake.clean import CleanConsignment
from backend.intake.merge import Merged, merge
from backend.intake.notes import Place, Remarks, RowCode
from backend.intake.parcels import clean_parcels, clean_token
from backend.intake.phones import Phone
from backend.intake.records import AddressIn, ConsignmentIn, LocationIn, Record, WindowIn
from backend.intake.windows import Bound, WindowSpec, read_bound

_EMAIL = re.compile(
    r"[^@\s,;<>()\[\]\"]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,62}"
)
_LIMITS = {"reference": 80, "line": 200, "name": 200, "instructions": 1_000, "email": 254}
MOST_VALUE = 1e9


def cleanse(records: Sequence[Record]) -> tuple[CleanConsignment | None, Remarks]:
    """Return the consignment where nothing is wrong with it; the remarks in any case."""
    remarks = Remarks()
    for record in records:
        remarks.faults.extend(record.faults)
        remarks.warnings.extend(record.warnings)
    merged = merge(records, remarks)
    clean = _Cleaner(merged, remarks).consignment() if merged is not None else None
    return (clean if not remarks.faults else None), remarks


class _Cleaner:
    """Reads one merged consignment field by field, noting every fault."""

    def __init__(self, merged: Merged, remarks: Remarks) -> None:
        self._value: ConsignmentIn = merged.head
        self._place: Place = merged.place
        self._merged = merged
        self._remarks = remarks

    def consignment(self) -> CleanConsignment:
        value, country = self._value, self._country()
        return CleanConsignment(
            place=self._place,
            reference=self._line("reference", value.reference, _LIMITS["reference"]),
            segment=self._token("segment", value.segment),
            service=self._token("service", value.service),
            customer_id=self._maybe("customer/id", value.customer.id if value.customer else None),
            customer_name=self._customer_name(),
            value=self._order_value(),
            recipient=text.proper(self._line("recipient/name", value.recipient.name)),
            phone=self._phone(country),
            email=self._email(),
            lines=self._lines(value.address),
            postcode=self._postcode(country),
            city=text.proper(self._line("address/city", value.address.city)),
            country=country or "",
            location=self._location(value.location),
            window=self._window(value.window),
            parcels=clean_parcels(self._merged, self._remarks),
            instructions=self._instructions(),
        )

    def _fault(self, member: str, code: RowCode, detail: str) -> None:
        self._remarks.fault(self._place, member, code, detail)

    def _warn(self, member: str, code: RowCode, detail: str) -> None:
        self._remarks.warn(self._place, member, code, detail)

    def _line(self, member: str, raw: str, longest: int = 200) -> str:
        cleaned = self._maybe(member, raw, longest)
        if cleaned is None and "\0" not in raw:
            self._fault(member, RowCode.MISSING, "is required")
        return cleaned or ""

    def _maybe(self, member: str, raw: str | None, longest: int = 200) -> str | None:
        if raw is None:
            return None
        if "\0" in raw:
            self._fault(member, RowCode.CONTROL_CHARACTER, "contains U+0000")
            return None
        cleaned = text.line(raw[: longest * 4])
        if len(cleaned) > longest or len(raw) > longest * 4:
            self._fault(member, RowCode.TOO_LONG, f"longer than {longest} characters")
        return cleaned or None

    def _token(self, member: str, raw: str | None) -> str | None:
        cleaned = self._maybe(member, raw, 40)
        return clean_token(cleaned) if cleaned is not None else None

    def _customer_name(self) -> str | None:
        customer = self._value.customer
        name = self._maybe("customer/name", customer.name) if customer else None
        return text.proper(name) if name else None

    def _order_value(self) -> float | None:
        value = self._value.value
        if value is not None and not 0 <= value <= MOST_VALUE:
            self._fault("value", RowCode.OUT_OF_RANGE, "must be from 0 to 1,000,000,000")
        return value

    def _instructions(self) -> str | None:
        raw, longest = self._value.instructions, _LIMITS["instructions"]
        if raw is None:
            return None
        if "\0" in raw:
            self._fault("instructions", RowCode.CONTROL_CHARACTER, "contains U+0000")
            return None
        cleaned = text.paragraph(raw[: longest * 4])
        if len(cleaned) > longest:
            self._fault("instructions", RowCode.TOO_LONG, f"longer than {longest} characters")
        return cleaned or None

    def _lines(self, address: AddressIn) -> tuple[str, ...]:
        if len(address.lines) > 6:
            self._fault("address/lines", RowCode.TOO_MANY, "more than 6 lines")
            return ()
        found = [self._maybe(f"address/lines/{i}", raw) for i, raw in enumerate(address.lines)]
        lines = tuple(line for line in found if line)
        if not lines:
            self._fault("address/lines", RowCode.MISSING, "at least one line is required")
        return lines

    def _country(self) -> str | None:
        raw = self._line("address/country", self._value.address.country, 60)
        code = countries.alpha2(raw)
        if raw and code is None:
            detail = f"{raw!r} is neither an ISO 3166 code nor a country's name"
            self._fault("address/country", RowCode.UNKNOWN_COUNTRY, detail)
        return code

    def _postcode(self, country: str | None) -> str | None:
        raw = self._maybe("address/postcode", self._value.address.postcode, 20)
        if raw is None or country is None:
            return None
        code = postcodes.normalise(raw, country)
        if code is None:
            detail = f"{raw!r} is not a postcode of {country}"
            self._fault("address/postcode", RowCode.BAD_POSTCODE, detail)
        return code

    def _phone(self, country: str | None) -> Phone | None:
        raw = self._value.recipient.phone
        if raw is None or not raw.strip() or country is None:
            return None
        phone = phones.read(raw, country)
        if phone is None:
            detail = f"not a phone number of {country} or with a country code; left out"
            self._warn("recipient/phone", RowCode.PHONE_INVALID, detail)
            return None
        if not phone.sms:
            self._warn("recipient/phone", RowCode.PHONE_NO_SMS, "no text message can reach it")
        return phone

    def _email(self) -> str | None:
        raw = text.line((self._value.recipient.email or "")[:1_000])
        if not raw:
            return None
        if len(raw) > _LIMITS["email"] or not _EMAIL.fullmatch(raw) or "\0" in raw:
            self._warn("recipient/email", RowCode.EMAIL_INVALID, "not an address; left out")
            return None
        local, _, domain = raw.rpartition("@")
        return f"{local}@{domain.lower()}"

    def _location(self, raw: LocationIn | None) -> LatLon | None:
        if raw is None:
            return None
        if raw.lat is None or raw.lon is None:
            member = "location/lat" if raw.lat is None else "location/lon"
            self._fault(member, RowCode.LOCATION_INCOMPLETE, "latitude and longitude come together")
            return None
        for member, value, most in (("lat", raw.lat, 90), ("lon", raw.lon, 180)):
            if not isfinite(value) or abs(value) > most:
                detail = f"must be from -{most} to {most}"
                self._fault(f"location/{member}", RowCode.LOCATION_OUT_OF_RANGE, detail)
                return None
        if raw.lat == 0 and raw.lon == 0:
            self._warn("location", RowCode.LOCATION_ZERO, "0, 0 is taken as unknown")
            return None
        return LatLon(round(raw.lat, 7), round(raw.lon, 7))

    def _window(self, raw: WindowIn | None) -> WindowSpec | None:
        if raw is None or not (raw.start.strip() or raw.end.strip()):
            return None
        start, end = self._bound("start", raw.start), self._bound("end", raw.end)
        return WindowSpec(start, end) if start is not None and end is not None else None

    def _bound(self, name: str, raw: str) -> Bound | None:
        cleaned = text.line(raw[:60])
        if not cleaned:
            detail = "a window has a start and an end"
            self._fault(f"window/{name}", RowCode.WINDOW_INCOMPLETE, detail)
            return None
        bound = read_bound(cleaned)
        if bound is None:
            detail = f"{cleaned!r} is neither RFC 3339 nor HH:MM"
            self._fault(f"window/{name}", RowCode.BAD_TIME, detail)
        return bound
