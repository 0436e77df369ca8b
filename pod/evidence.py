"""What is known of a visit's evidence, as facts. Nothing in here judges.

``Evidence`` is everything a verdict is drawn from. Facts about files are read once, when their
bytes are verified, and kept beside them; claims of a camera (time, place) are kept as claims.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from backend.domain.policy import EvidenceKind


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What decoding a photo told. Width and height are those of the upright picture.

    ``dhash`` is a 64-bit difference hash in hex. ``taken_at``, ``lat``, ``lon`` are the camera's
    claims. ``warnings`` are for the driver's eye (blurred, dark, trailing_data …), never a refusal.
    """

    format: str
    width: int
    height: int
    dhash: str
    sharpness: float
    brightness: float
    taken_at: str | None = None
    lat: float | None = None
    lon: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What a signature is made of: its extent and its ink (path length, or pixels of an image)."""

    format: str  # strokes or PNG
    width: float
    height: float
    points: int
    ink: float
    blank: bool


class ExhibitState(StrEnum):
    """How far a file that an event named got."""

    AWAITED = "awaited"
    SOUND = "sound"
    BLANK = "blank"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One file, or strokes sent inside an event; ``key`` tells two apart (sha256 where known)."""

    kind: EvidenceKind
    key: str
    state: ExhibitState
    warnings: tuple[str, ...] = ()


def counts(named_by: UUID, ended_by: UUID | None) -> bool:
    """Whether a file is proof of a visit: the driver named it who ended it, or the office ended it.

    In which of his events does not matter. Who had the stop before shows nothing of the delivery.
    """
    return ended_by is None or named_by == ended_by


class Check(StrEnum):
    """What became of a code or a token."""

    ABSENT = "absent"
    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    SPENT = "spent"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DoorFacts:
    """What the customer's code and QR came to in one event.

    ``proven``: the door is proven, by this event or an earlier one. ``time_uncertain``: no clock
    bounds the moment, so expiry was judged at the time of receipt.
    """

    code: Check = Check.ABSENT
    token: Check = Check.ABSENT
    tries_left: int = 5
    proven: bool = False
    time_uncertain: bool = False

    @property
    def proves(self) -> bool:
        """Either one proves."""
        return self.proven or Check.RIGHT in (self.code, self.token)


@dataclass(frozen=True, slots=True)
class FixFacts:
    """Where the phone said it was, against where the stop is."""

    distance_m: float
    accuracy_m: float
    mock: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was shown for one outcome of one visit, so far."""

    exhibits: tuple[Exhibit, ...] = ()
    door: DoorFacts = DoorFacts()
    name: str = ""
    note: str = ""
    fix: FixFacts | None = None
    scans: int = 0
