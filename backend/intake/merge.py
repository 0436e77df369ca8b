"""Lines of one reference become one consignment: one head, all parcels.

Later lines may leave the head's fields blank; where they state something else than an earlier
line nobody can tell which is meant, and the reference is rejected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.intake import text
from backend.intake.notes import Place, Remarks, RowCode
from backend.intake.records import ConsignmentIn, ParcelIn, Record


@dataclass(frozen=True, slots=True)
class PlacedParcel:
    """A parcel, the record it came from, and its index there."""

    place: Place
    index: int
    parcel: ParcelIn


@dataclass(frozen=True, slots=True)
class Merged:
    """All records of a reference as one."""

    place: Place
    head: ConsignmentIn
    parcels: tuple[PlacedParcel, ...]


def merge(records: Sequence[Record], remarks: Remarks) -> Merged | None:
    """Return the records as one, or None where none of them could be read."""
    readable = [(r.place, r.value) for r in records if r.value is not None]
    if not readable:
        return None
    place, head = readable[0]
    for other_place, other in readable[1:]:
        for member in _contradictions(head, other):
            detail = f"says something else than the first record of {head.reference!r}"
            remarks.fault(other_place, member, RowCode.REFERENCE_CONFLICT, detail)
        head = _filled(head, other)
    parcels = [
        PlacedParcel(where, index, parcel)
        for where, value in readable
        for index, parcel in enumerate(value.parcels)
    ]
    return Merged(place, head, tuple(parcels))


def _contradictions(head: ConsignmentIn, other: ConsignmentIn) -> Iterator[str]:
    mine, others = dict(_said(head)), dict(_said(other))
    for member, value in others.items():
        if mine.get(member, value) != value:
            yield member


def _said(value: ConsignmentIn) -> Iterator[tuple[str, str]]:
    """Yield each member of the head that says something, spelled for comparing."""
    customer, location, window = value.customer, value.location, value.window
    members: tuple[tuple[str, object], ...] = (
        ("segment", value.segment),
        ("service", value.service),
        ("customer/id", customer.id if customer else None),
        ("customer/name", customer.name if customer else None),
        ("value", value.value),
        ("recipient/name", value.recipient.name),
        ("recipient/phone", value.recipient.phone),
        ("recipient/email", value.recipient.email),
        ("address/lines", "\n".join(value.address.lines)),
        ("address/postcode", value.address.postcode),
        ("address/city", value.address.city),
        ("address/country", value.address.country),
        ("location/lat", location.lat if location else None),
        ("location/lon", location.lon if location else None),
        ("window/start", window.start if window else None),
        ("window/end", window.end if window else None),
        ("instructions", value.instructions),
    )
    for member, said in members:
        spelled = text.line(str(said)) if said is not None else ""
        if spelled:
            yield member, spelled


def _filled(head: ConsignmentIn, other: ConsignmentIn) -> ConsignmentIn:
    """Return the head with what only a later record says."""
    return ConsignmentIn(
        reference=head.reference,
        recipient=head.recipient if head.recipient.name.strip() else other.recipient,
        address=head.address if head.address.lines else other.address,
        parcels=head.parcels,
        segment=head.segment or other.segment,
        service=head.service or other.service,
        customer=head.customer or other.customer,
        value=head.value if head.value is not None else other.value,
        location=head.location or other.location,
        window=head.window or other.window,
        instructions=head.instructions or other.instructions,
    )
