"""The vocabulary of a handset: every kind of mutation ever released, as wire types.

A (kind, kind_version) stays here for ever. Unknown extra members are ignored here and kept in the
raw bytes. Bodies are bounded so that nothing a phone sends can be larger than what we keep.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from backend.domain.policy import EvidenceKind, Method
from sync.kinds import Kind

MAX_N = 2**53 - 1
_NO_NUL = r"^[^\x00]*$"

Text = Annotated[str, Meta(max_length=1000, pattern=_NO_NUL)]
Line = Annotated[str, Meta(max_length=200, pattern=_NO_NUL)]
Relation = Annotated[str, Meta(max_length=40, pattern=_NO_NUL)]
Number = Annotated[int, Meta(ge=1, le=MAX_N)]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}$")]
Moment = Annotated[str, Meta(max_length=40, pattern=_NO_NUL)]
Millis = Annotated[float, Meta(ge=-1e15, le=1e15)]
Coordinate = Annotated[float, Meta(ge=-1e7, le=1e7)]


class ParcelOutcome(StrEnum):
    """What became of one parcel."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    DAMAGED = "damaged"
    MISSING = "missing"


class ScanPurpose(StrEnum):
    """Why a barcode was read."""

    LOAD = "load"
    DELIVER = "deliver"
    RETURN = "return"


class At(Struct, frozen=True):
    """When, by the device: wall clock, monotonic clock within one boot, GPS if there was one."""

    wall: Moment | None = None
    monotonic_ms: Millis | None = None
    boot: Line | None = None
    gps: Moment | None = None


class Fix(Struct, frozen=True):
    """One position with its accuracy in metres."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=1e7)] = 0.0
    mock: bool = False


class Named(Struct, frozen=True):
    """A file that the event names; its bytes come before or after."""

    sha256: Sha256
    kind: EvidenceKind
    size: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    media_type: Line = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "sha256", self.sha256.lower())


class Recipient(Struct, frozen=True):
    """Who took it."""

    name: Text
    relation: Relation | None = None


class ParcelFate(Struct, frozen=True):
    """What became of a parcel."""

    parcel_id: UUID
    outcome: ParcelOutcome


Point = tuple[Coordinate, Coordinate, Millis]
Stroke = Annotated[list[Point], Meta(max_length=5000)]


class Signature(Struct, frozen=True):
    """Strokes, or the hash of a file that holds them."""

    strokes: Annotated[list[Stroke], Meta(max_length=1000)] | None = None
    sha256: Sha256 | None = None

    def __post_init__(self) -> None:
        if self.sha256 is not None:
            msgspec.structs.force_setattr(self, "sha256", self.sha256.lower())


class Nothing(Struct, frozen=True):
    """A body that says nothing more."""


class RouteBody(Struct, frozen=True):
    """Start or end of a route."""

    odometer_km: Annotated[float, Meta(ge=0, le=1e8)] | None = None


class Delivered(Struct, frozen=True):
    """Goods changed hands, or were left."""

    method: Method
    parcels: Annotated[list[ParcelFate], Meta(max_length=500)]
    recipient: Recipient | None = None
    code: Annotated[str, Meta(max_length=64, pattern=_NO_NUL)] | None = None
    door_token: Annotated[str, Meta(max_length=200, pattern=_NO_NUL)] | None = None
    signature: Signature | None = None
    note: Text | None = None

    @property
    def is_partial(self) -> bool:
        """Whether some parcel was not delivered."""
        return any(parcel.outcome is not ParcelOutcome.DELIVERED for parcel in self.parcels)


class Failed(Struct, frozen=True):
    """They did not."""

    reason: Line
    note: Text | None = None


class EvidenceAdded(Struct, frozen=True):
    """More proof for an earlier event."""

    for_: UUID = msgspec.field(name="for")


class CodePresented(Struct, frozen=True):
    """The customer gave a code or showed a QR."""

    code: Annotated[str, Meta(max_length=64, pattern=_NO_NUL)] | None = None
    door_token: Annotated[str, Meta(max_length=200, pattern=_NO_NUL)] | None = None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.door_token is None):
            raise ValueError("either code or door_token")


class Scanned(Struct, frozen=True):
    """A barcode was read."""

    barcode: Line
    purpose: ScanPurpose


class Noted(Struct, frozen=True):
    """A remark."""

    text: Text


class Becomes(Struct, frozen=True):
    """What an event should have been."""

    kind: Annotated[str, Meta(max_length=64)]
    body: dict[str, object]


class Corrected(Struct, frozen=True):
    """The driver mends his own event."""

    corrects: UUID
    reason: Text
    becomes: Becomes


class Skipped(Struct, frozen=True):
    """The driver would rather come back later."""

    reason: Text | None = None


class Resequenced(Struct, frozen=True):
    """The driver would rather go in this order."""

    stop_ids: Annotated[list[UUID], Meta(max_length=1000)]


class LostEvents(Struct, frozen=True):
    """The phone no longer has these numbers."""

    from_n: Number
    to_n: Number

    def __post_init__(self) -> None:
        if self.to_n < self.from_n:
            raise ValueError("to_n is before from_n")


Body = (
    Nothing
    | RouteBody
    | Delivered
    | Failed
    | EvidenceAdded
    | CodePresented
    | Scanned
    | Noted
    | Corrected
    | Skipped
    | Resequenced
    | LostEvents
)


BODIES: MappingProxyType[tuple[Kind, int], type[Body]] = MappingProxyType(
    {
        (Kind.ROUTE_STARTED, 1): RouteBody,
        (Kind.ROUTE_FINISHED, 1): RouteBody,
        (Kind.STOP_DEPARTED, 1): Nothing,
        (Kind.STOP_ARRIVED, 1): Nothing,
        (Kind.STOP_DELIVERED, 1): Delivered,
        (Kind.STOP_FAILED, 1): Failed,
        (Kind.EVIDENCE_ADDED, 1): EvidenceAdded,
        (Kind.CODE_PRESENTED, 1): CodePresented,
        (Kind.PARCEL_SCANNED, 1): Scanned,
        (Kind.STOP_NOTED, 1): Noted,
        (Kind.STOP_CORRECTED, 1): Corrected,
        (Kind.STOP_SKIPPED, 1): Skipped,
        (Kind.ROUTE_RESEQUENCED, 1): Resequenced,
        (Kind.LOST_EVENTS, 1): LostEvents,
    }
)


class Frame(Struct, frozen=True):
    """What every mutation carries around its body."""

    stop_id: UUID | None = None
    route_id: UUID | None = None
    base: Version | None = None
    policy_version: Version | None = None
    at: At | None = None
    fix: Fix | None = None
    evidence: Annotated[list[Named], Meta(max_length=50)] = []
