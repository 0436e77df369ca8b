"""A consignment after cleansing: what intake hands to the database, and its fingerprint."""

import hashlib
import json
from dataclasses import dataclass

from backend.domain.geo import LatLon
from backend.intake.notes import Place
from backend.intake.phones import Phone
from backend.intake.windows import WindowSpec


@dataclass(frozen=True, slots=True)
class CleanParcel:
    """One thing to hand over."""

    barcode: str
    description: str | None
    weight_kg: float
    volume_dm3: float
    handling: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CleanConsignment:
    """One consignment, every field in its one form. The window is laid on a day when written."""

    place: Place
    reference: str
    segment: str | None
    service: str | None
    customer_id: str | None
    customer_name: str | None
    value: float | None
    recipient: str
    phone: Phone | None
    email: str | None
    lines: tuple[str, ...]
    postcode: str | None
    city: str
    country: str
    location: LatLon | None
    window: WindowSpec | None
    parcels: tuple[CleanParcel, ...]
    instructions: str | None

    @property
    def handling(self) -> frozenset[str]:
        """Return every handling word of its parcels."""
        return frozenset(token for parcel in self.parcels for token in parcel.handling)

    def goods_hash(self) -> bytes:
        """Fingerprint of everything but how to reach the recipient.

        A consignment that is already out may still get a better phone number; it may not get
        another address or other goods.
        """
        window = [self.window.start.text(), self.window.end.text()] if self.window else None
        place = [self.location.lat, self.location.lon] if self.location else None
        parcels = [
            [p.barcode, p.description, p.weight_kg, p.volume_dm3, list(p.handling)]
            for p in self.parcels
        ]
        address = [list(self.lines), self.postcode, self.city, self.country, place]
        order = [self.segment, self.service, self.customer_id, self.customer_name, self.value]
        return _digest(["goods-1", self.reference, order, self.recipient, address, window, parcels])

    def contact_hash(self) -> bytes:
        """Fingerprint of how to reach the recipient and what to tell the driver."""
        phone = self.phone.e164 if self.phone else None
        return _digest(["contact-1", phone, self.email, self.instructions])

    def content_hash(self) -> bytes:
        """Both fingerprints: equal means that a re-import changes nothing."""
        return self.goods_hash() + self.contact_hash()


def _digest(value: list[object]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).digest()
