"""The words of a segment's policy: what is promised, proved, shown, told and kept.

Values only; reading one from JSON is ``policy_form``'s work, judging by one is ``pod.verdict``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """What a visit came to, as far as proof is concerned."""

    DELIVERED = "delivered"
    FAILED = "failed"


class Method(StrEnum):
    """How the goods changed hands."""

    HANDED_OVER = "handed_over"
    SAFE_PLACE = "safe_place"
    NEIGHBOUR = "neighbour"
    LOCKER = "locker"
    RECEPTION = "reception"


class EvidenceKind(StrEnum):
    """What a rule can ask for."""

    PHOTO = "photo"
    SIGNATURE = "signature"
    CODE = "code"
    DOOR_TOKEN = "door_token"  # noqa: S105 - a kind of evidence, not a secret
    NAME = "name"
    NOTE = "note"
    FIX = "fix"
    SCAN = "scan"
    ID_CHECK = "id_check"


class Level(StrEnum):
    """How much a rule insists."""

    REQUIRED = "required"
    WARN = "warn"
    OPTIONAL = "optional"


class Fallback(StrEnum):
    """Where goods go when the last attempt failed."""

    RETURN = "return"
    LOCKER = "locker"
    PICKUP_POINT = "pickup_point"
    NONE = "none"


class EtaShown(StrEnum):
    """How exactly the customer may know when."""

    LIVE = "live"
    WINDOW = "window"
    NONE = "none"


class CustomerAction(StrEnum):
    """What the customer may do on the tracking page."""

    RESCHEDULE = "reschedule"
    SAFE_PLACE = "safe_place"
    DISPUTE = "dispute"


class Milestone(StrEnum):
    """Moments a customer can be told about."""

    RELEASED = "released"
    STARTED = "started"
    NEAR = "near"
    DELIVERED = "delivered"
    FAILED = "failed"


class Channel(StrEnum):
    """Ways to tell."""

    SMS = "sms"
    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind of evidence, and how many of it."""

    evidence: EvidenceKind
    min: int = 1


@dataclass(frozen=True, slots=True)
class Requirement:
    """Any one of the pieces satisfies it; failing that, all of ``otherwise`` together do."""

    any_of: tuple[Piece, ...]
    level: Level
    otherwise: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class When:
    """The cases a rule is for; an empty tuple matches every case."""

    method: tuple[Method, ...] = ()
    reason: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What must be shown for some outcomes in some cases."""

    on: tuple[Outcome, ...]
    when: When
    require: tuple[Requirement, ...]

    def matches(self, outcome: Outcome, method: Method | None, reason: str | None) -> bool:
        """Whether this rule has a say in the case."""
        return (
            outcome in self.on
            and (not self.when.method or method in self.when.method)
            and (not self.when.reason or reason in self.when.reason)
        )


@dataclass(frozen=True, slots=True)
class Promise:
    """The window promised to the customer; orders after ``cut_off`` (HH:MM) count for tomorrow."""

    window_min: int
    cut_off: str | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often it is tried, and what then."""

    max: int
    fallback: Fallback


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """``live``: the customer gets a code and a door token once the route is out."""

    live: bool
    ttl_min: int | None = None


@dataclass(frozen=True, slots=True)
class ManifestLook:
    """What the driver's line shows, in which order, and how prominently."""

    color: str
    badge: str
    show: tuple[str, ...]
    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the customer's page shows and offers."""

    eta: EtaShown
    stops_away: bool
    actions: tuple[CustomerAction, ...]


@dataclass(frozen=True, slots=True)
class Alerts:
    """After how many minutes a supervisor is told."""

    late_min: int
    silent_min: int
    dwell_min: int


@dataclass(frozen=True, slots=True)
class Retention:
    """Days each kind of personal data is kept."""

    photo: int
    signature: int
    fix: int
    contact: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything one segment decides."""

    label: str
    priority: int
    promise: Promise
    buffer_s: int
    geofence_m: int
    attempts: Attempts
    proof: tuple[Rule, ...]
    late_evidence_h: int
    undo_s: int
    code: CodePolicy
    second_person: bool
    manifest: ManifestLook
    tracking: Tracking
    notify: Mapping[Milestone, tuple[Channel, ...]] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )
    alerts: Alerts = Alerts(30, 20, 20)
    retention_days: Retention = Retention(180, 180, 30, 180)
    vehicle_skills: tuple[str, ...] = ()

    @property
    def asks_for_code(self) -> bool:
        """Whether the customer gets a code and a door token: a live one, or any rule takes one."""
        return self.code.live or any(
            piece.evidence in (EvidenceKind.CODE, EvidenceKind.DOOR_TOKEN)
            for rule in self.proof
            for requirement in rule.require
            for piece in (*requirement.any_of, *requirement.otherwise)
        )
