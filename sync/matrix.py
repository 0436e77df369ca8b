"""What an event means, given what became of its stop since the driver looked: a total table.

Facts beat intents: what physically happened wins over what somebody planned, and a person is told;
a driver's intent loses to a later plan. A fact is bound to the assignment it names, never to the
present one, and is judged by what its driver could know. No cell deletes anything. A missing cell
fails at import.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from backend.domain.follow_up import FollowUpKind


class Outcome(StrEnum):
    """The six answers a mutation can get."""

    APPLIED = "applied"
    CONFLICT = "conflict"
    RECORDED = "recorded"
    HELD = "held"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class Act(StrEnum):
    """What a driver tells, as far as the table tells it apart."""

    ARRIVE = "arrive"
    DELIVER = "deliver"
    PART = "part"  # a delivery in which some parcel was not delivered
    FAIL = "fail"
    PROVE = "prove"
    NOTE = "note"
    SCAN = "scan"
    POSITION = "position"
    CORRECT = "correct"
    PLAN = "plan"
    DEPART = "depart"
    JOURNEY = "journey"


class Situation(StrEnum):
    """What became of the stop since the driver looked."""

    NONE = "none"
    PLACE = "place"
    CONTACT = "contact"
    WINDOW = "window"
    RULES_STRICTER = "rules_stricter"
    RULES_RELAXED = "rules_relaxed"
    CODE_REISSUED = "code_reissued"
    PARCELS_CHANGED = "parcels_changed"
    RESEQUENCED = "resequenced"
    REASSIGNED = "reassigned"
    REASSIGNED_ARRIVED = "reassigned_arrived"
    REASSIGNED_CLOSED = "reassigned_closed"
    CANCELLED = "cancelled"
    VOIDED = "voided"
    SET_DELIVERED = "set_delivered"
    SET_FAILED = "set_failed"
    REOPENED = "reopened"
    SPLIT = "split"
    ROUTE_CLOSED = "route_closed"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    GAP = "gap"
    OWN_OTHER_DEVICE = "own_other_device"
    # Nobody contradicts, and this very device closed the stop before.
    OWN_DELIVERED = "own_delivered"
    OWN_FAILED = "own_failed"


class Ask(StrEnum):
    """Whether a person is told, and how urgently."""

    NOBODY = "nobody"
    NOTICE = "notice"
    CONFLICT = "conflict"


class Fact(StrEnum):
    """What a conditional cell asks about."""

    ALREADY = "already"  # the same is known already
    RULE_UNMET = "rule_unmet"  # the newer rule is not met
    OLD_CODE = "old_code"  # the code given was good when it was given, and has been replaced
    PARCEL_REMOVED = "parcel_removed"  # the parcel is no longer among those of the stop
    OUTCOME_DIFFERS = "outcome_differs"  # the other device told of another end
    SAME_SCAN = "same_scan"  # the other device read the same barcode within a minute
    LATER_INTENT = "later_intent"  # the other device's wish was made later
    OTHER_FAILED = "other_failed"  # the other driver's visit failed


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer, whether the event takes effect, whom it concerns, and what must follow.

    One that ``merges`` is kept beside the same fact, known already; the earlier of both counts.
    """

    outcome: Outcome
    effect: bool = False
    merges: bool = False
    asks: Ask = Ask.NOBODY
    opens: FollowUpKind | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A ruling; another one where a fact holds."""

    ruling: Ruling
    fact: Fact | None = None
    otherwise: Ruling | None = None

    def rule(self, facts: AbstractSet[Fact]) -> Ruling:
        """Return the ruling under these facts."""
        if self.otherwise is not None and self.fact in facts:
            return self.otherwise
        return self.ruling


def _settles(opens: FollowUpKind) -> Ruling:
    return Ruling(Outcome.CONFLICT, effect=True, asks=Ask.CONFLICT, opens=opens)


RULINGS = MappingProxyType(
    {
        "A": Ruling(Outcome.APPLIED, effect=True),
        "An": Ruling(Outcome.APPLIED, effect=True, asks=Ask.NOTICE),
        "AC": Ruling(Outcome.CONFLICT, effect=True, asks=Ask.CONFLICT),
        "Xr": _settles(FollowUpKind.RETURN),
        "Xc": _settles(FollowUpKind.CREDIT),
        "Xd": _settles(FollowUpKind.RE_DISPATCH),
        "X2": _settles(FollowUpKind.DUPLICATE_DELIVERY),
        "Xt": _settles(FollowUpKind.CALL),
        "E": Ruling(Outcome.RECORDED),
        "En": Ruling(Outcome.RECORDED, asks=Ask.NOTICE),
        "Ei": Ruling(Outcome.RECORDED, asks=Ask.CONFLICT),
        "M": Ruling(Outcome.RECORDED, merges=True),
        "H": Ruling(Outcome.HELD),
        "R": Ruling(Outcome.REJECTED, asks=Ask.CONFLICT),
        "Q": Ruling(Outcome.QUARANTINED, asks=Ask.CONFLICT, code="device_revoked"),
    }
)

# Cells that ask about a fact: the ruling without it, the fact, the ruling with it.
CONDITIONS = MappingProxyType(
    {
        "A~": ("A", Fact.ALREADY, "M"),
        "An~": ("An", Fact.ALREADY, "M"),
        "R~": ("R", Fact.ALREADY, "M"),
        "Ar": ("A", Fact.RULE_UNMET, "AC"),
        "Ao": ("A", Fact.OLD_CODE, "AC"),
        "Ap": ("A", Fact.PARCEL_REMOVED, "AC"),
        "Md": ("M", Fact.OUTCOME_DIFFERS, "AC"),
        "As": ("A", Fact.SAME_SCAN, "M"),
        "Al": ("A", Fact.LATER_INTENT, "M"),
        "X2f": ("X2", Fact.OTHER_FAILED, "Xd"),
    }
)

# A applies · An and a supervisor is told · AC conflict, a person looks · X conflict, and something
# must follow: r the goods return, c money is credited, d the second visit is withdrawn, 2 two
# deliveries are sorted out, t somebody calls · E evidence only, n and a supervisor is told, i and a
# person looks · M merged with the same fact · H held · R rejected · Q quarantined
CELLS = """
                   arrive deliver part fail prove note scan position correct plan depart journey
none                A~     A      A    A    A     A    A    A        A       A    A      A~
place               An~    AC     AC   AC   A     A    A    A        A       A    A      A~
contact             A~     A      A    An   A     A    A    A        A       A    A      A~
window              A~     A      A    An   A     A    A    A        A       A    A      A~
rules_stricter      A~     Ar     AC   A    A     A    A    A        A       A    A      A~
rules_relaxed       A~     A      A    A    A     A    A    A        A       A    A      A~
code_reissued       A~     Ao     AC   A    A     A    A    A        A       A    A      A~
parcels_changed     A~     AC     AC   An   A     A    Ap   A        A       A    A      A~
resequenced         A~     A      A    A    A     A    A    A        A       R    A      A~
reassigned          En     Xd     Xd   Ei   A     A    E    A        A       R    E      A~
reassigned_arrived  E      Xt     Xt   E    A     A    E    A        A       R    E      A~
reassigned_closed   E      X2f    X2f  E    A     A    E    A        A       R    E      A~
cancelled           An     Xr     Xr   A    A     A    E    A        A       R    A      A~
voided              E      Xc     Xc   E    A     E    E    A        E       R    E      A~
set_delivered       E      M      AC   AC   A     A    E    A        R       R    A      A~
set_failed          An     AC     AC   M    A     A    E    A        R       R    A      A~
reopened            A~     AC     AC   AC   A     A    A    A        A       R    A      A~
split               A~     AC     AC   AC   A     A    AC   A        A       R    A      A~
route_closed        En     Xt     Xt   Xt   A     A    E    A        R       R    E      R~
revoked             Q      Q      Q    Q    Q     Q    Q    Q        Q       Q    Q      Q
unknown             H      H      H    H    H     H    H    A        H       H    H      H
gap                 H      H      H    H    H     H    H    A        H       H    H      H
own_other_device    M      Md     AC   Md   A     A    As   M        A       Al   M      M
own_delivered       E      M      M    Ei   A     A    A    A        A       R    A      A~
own_failed          E      AC     AC   E    A     A    A    A        A       R    A      A~
"""

# Why a rejection in a column is one; what a driver reads.
_WHY = MappingProxyType(
    {
        Act.PLAN: "plan_newer",
        Act.CORRECT: "nothing_to_correct",
        Act.JOURNEY: "route_closed",
    }
)


def _ruling(act: Act, code: str) -> Ruling:
    ruling = RULINGS[code]
    if ruling.outcome is not Outcome.REJECTED:
        return ruling
    return Ruling(ruling.outcome, asks=ruling.asks, code=_WHY[act])


def _cell(act: Act, code: str) -> Cell:
    if code not in CONDITIONS:
        return Cell(_ruling(act, code))
    plain, fact, other = CONDITIONS[code]
    return Cell(_ruling(act, plain), fact, _ruling(act, other))


def read_table(text: str) -> MappingProxyType[tuple[Act, Situation], Cell]:
    """Read the table; every act in every situation must have its cell.

    Raises:
        ValueError: a cell, a row or a column is missing.
    """
    head, *rows = text.strip().splitlines()
    acts = [Act(name) for name in head.split()]
    table = {}
    for row in rows:
        name, *codes = row.split()
        for act, code in zip(acts, codes, strict=True):
            table[act, Situation(name)] = _cell(act, code)
    missing = {(act, situation) for act in Act for situation in Situation} - set(table)
    if missing:
        raise ValueError(f"the matrix has no cell for {sorted(missing)}")
    return MappingProxyType(table)


MATRIX = read_table(CELLS)
