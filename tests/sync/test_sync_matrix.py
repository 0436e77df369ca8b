"""The matrix, cell by cell, against a table written down independently: the rules as agreed.

The letters are those of the rules: A apply, An apply and notify, AC apply and ask, AX apply and
open a follow-up, E evidence only, M merge, H hold, R refuse, Q quarantine.
"""

import pytest

from backend.domain.follow_up import FollowUpKind
from sync.matrix import CELLS, MATRIX, Act, Ask, Fact, Outcome, Ruling, Situation, read_table

# Where the contract of the handset API says otherwise, it rules: a revoked device's mutations are
# quarantined whatever they are, and what is about an unknown stop or route, or beyond a gap, is
# held whatever it is. The last two rows are additions: this very device closed the stop before.
AGREED = """
                   arrive deliver part fail  prove note scan position correct plan depart journey
none               A      A       A    A     A     A    A    A        A       A    A      A
place              An     AC      AC   AC    A     A    A    A        A       A    A      A
contact            A      A       A    An    A     A    A    A        A       A    A      A
window             A      A       A    An    A     A    A    A        A       A    A      A
rules_stricter     A      A       AC   A     A     A    A    A        A       A    A      A
rules_relaxed      A      A       A    A     A     A    A    A        A       A    A      A
code_reissued      A      A       AC   A     A     A    A    A        A       A    A      A
parcels_changed    A      AC      AC   An    A     A    A    A        A       A    A      A
resequenced        A      A       A    A     A     A    A    A        A       R    A      A
reassigned         E+An   AX      AX   E+AC  A     A    E    A        A       R    E      A
reassigned_arrived E      AX      AX   E     A     A    E    A        A       R    E      A
reassigned_closed  E      AX      AX   E     A     A    E    A        A       R    E      A
cancelled          An     AX      AX   A     A     A    E    A        A       R    A      A
voided             E      AX      AX   E     A     E    E    A        E       R    E      A
set_delivered      E      M       AC   AC    A     A    E    A        R       R    A      A
set_failed         An     AC      AC   M     A     A    E    A        R       R    A      A
reopened           A      AC      AC   AC    A     A    A    A        A       R    A      A
split              A      AC      AC   AC    A     A    AC   A        A       R    A      A
route_closed       E+An   AX      AX   AX    A     A    E    A        R       R    E      R
revoked            Q      Q       Q    Q     Q     Q    Q    Q        Q       Q    Q      Q
unknown            H      H       H    H     H     H    H    A        H       H    H      H
gap                H      H       H    H     H     H    H    A        H       H    H      H
own_other_device   M      M       AC   M     A     A    A    M        A       A    M      M
own_delivered      E      M       M    E+AC  A     A    A    A        A       R    A      A
own_failed         E      AC      AC   E     A     A    A    A        A       R    A      A
"""
# What a cell says where a fact holds.
IF = {
    ("rules_stricter", "deliver"): ("rule_unmet", "AC"),
    ("code_reissued", "deliver"): ("old_code", "AC"),
    ("parcels_changed", "scan"): ("parcel_removed", "AC"),
    ("route_closed", "journey"): ("already", "M"),
    ("own_other_device", "deliver"): ("outcome_differs", "AC"),
    ("own_other_device", "fail"): ("outcome_differs", "AC"),
    ("own_other_device", "scan"): ("same_scan", "M"),
    ("own_other_device", "plan"): ("later_intent", "M"),
    ("reassigned_closed", "deliver"): ("other_failed", "AX"),
    ("reassigned_closed", "part"): ("other_failed", "AX"),
}
# Who arrived, or set out, and says so again, adds nothing: wherever the event would count at all.
ONCE = {
    "arrive": set(
        """none place contact window rules_stricter rules_relaxed code_reissued parcels_changed
        resequenced reopened split""".split()  # noqa: SIM905 - reads as the table's first column
    ),
    "journey": {row.split()[0] for row in AGREED.split("\n")[2:-1]}
    - {"revoked", "unknown", "gap", "own_other_device", "route_closed"},
}
# What is held or quarantined before anybody judges it.
NOT_JUDGED = {Situation.REVOKED, Situation.UNKNOWN, Situation.GAP}
FOLLOW_UP = {
    "reassigned": "re_dispatch",
    "reassigned_arrived": "call",
    "reassigned_closed": "duplicate_delivery",
    "cancelled": "return",
    "voided": "credit",
    "route_closed": "call",
}
LETTERS = {
    "A": (Outcome.APPLIED, True, Ask.NOBODY),
    "An": (Outcome.APPLIED, True, Ask.NOTICE),
    "AC": (Outcome.CONFLICT, True, Ask.CONFLICT),
    "AX": (Outcome.CONFLICT, True, Ask.CONFLICT),
    "E": (Outcome.RECORDED, False, Ask.NOBODY),
    "E+An": (Outcome.RECORDED, False, Ask.NOTICE),
    "E+AC": (Outcome.RECORDED, False, Ask.CONFLICT),
    "M": (Outcome.RECORDED, False, Ask.NOBODY),
    "H": (Outcome.HELD, False, Ask.NOBODY),
    "R": (Outcome.REJECTED, False, Ask.CONFLICT),
    "Q": (Outcome.QUARANTINED, False, Ask.CONFLICT),
}


def agreed() -> list[tuple[str, str, str]]:
    """Every cell of the agreed table: row, column, letters."""
    head, *rows = AGREED.strip().splitlines()
    return [
        (row.split()[0], act, letters)
        for row in rows
        for act, letters in zip(head.split(), row.split()[1:], strict=True)
    ]


def where(row: str, act: str) -> tuple[Fact | None, str]:
    """What the cell asks about, and what it says then."""
    if row in ONCE.get(act, ()):
        return Fact.ALREADY, "M"
    fact, letters = IF.get((row, act), (None, ""))
    return (Fact(fact) if fact else None), letters


def matches(ruling: Ruling, letters: str, follow_up: str | None) -> bool:
    """Whether a ruling is what the letters say."""
    opens = FollowUpKind(follow_up) if follow_up and letters == "AX" else None
    told = (ruling.outcome, ruling.effect, ruling.asks)
    merges = ruling.merges == (letters == "M")
    return told == LETTERS[letters] and ruling.opens is opens and merges


def test_the_agreed_table_is_whole() -> None:
    """Twelve kinds of event, twenty-three rows, and the two additions."""
    assert len({(row, act) for row, act, _ in agreed()}) == 12 * (23 + 2)
    assert set(MATRIX) == {(Act(act), Situation(row)) for row, act, _ in agreed()}


@pytest.mark.parametrize(("row", "act", "letters"), agreed())
def test_cell(row: str, act: str, letters: str) -> None:
    """The cell rules as agreed, with and without the fact it asks about, whatever else holds."""
    cell = MATRIX[Act(act), Situation(row)]
    fact, then = where(row, act)
    others = frozenset(Fact) - {fact}
    assert matches(cell.rule(others), letters, FOLLOW_UP.get(row))
    if fact is None:
        return
    kind = "re_dispatch" if fact is Fact.OTHER_FAILED else FOLLOW_UP.get(row)
    assert matches(cell.rule(frozenset({fact})), then, kind)


@pytest.mark.parametrize("cell", sorted(MATRIX))
def test_what_is_refused_says_why(cell: tuple[Act, Situation]) -> None:
    """Of facts only a correction and the start of a closed route can be refused."""
    act, _ = cell
    for ruling in (MATRIX[cell].ruling, MATRIX[cell].otherwise):
        if ruling is not None and ruling.outcome is Outcome.REJECTED:
            code = {Act.PLAN: "plan_newer", Act.CORRECT: "nothing_to_correct"}
            assert ruling.code == code.get(act, "route_closed")
            assert act in (Act.PLAN, Act.CORRECT, Act.JOURNEY)


@pytest.mark.parametrize("cut", ["none", "gap", "own_failed"])
def test_a_missing_row_fails_at_once(cut: str) -> None:
    """A table without one of its rows is no table."""
    rows = [row for row in CELLS.splitlines() if row.split()[:1] != [cut]]
    with pytest.raises(ValueError, match="no cell for"):
        read_table("\n".join(rows))


def test_a_missing_cell_fails_at_once() -> None:
    """Neither is one with a hole."""
    with pytest.raises(ValueError, match="shorter"):
        read_table(CELLS.replace("gap                 H ", "gap "))


@pytest.mark.parametrize("act", [Act.PROVE, Act.NOTE, Act.POSITION])
@pytest.mark.parametrize("own", [Situation.OWN_DELIVERED, Situation.OWN_FAILED])
def test_what_only_tells_may_come_before_or_after_the_end(act: Act, own: Situation) -> None:
    """Proof, notes and positions commute with everything that their driver tells."""
    assert MATRIX[act, own] == MATRIX[act, Situation.NONE]


@pytest.mark.parametrize("act", [Act.DELIVER, Act.PART])
@pytest.mark.parametrize("row", [row for row in Situation if row not in NOT_JUDGED])
def test_a_delivery_is_never_refused(act: Act, row: Situation) -> None:
    """What changed hands changed hands, whatever was decided meanwhile."""
    cell = MATRIX[act, row]
    for ruling in (cell.ruling, cell.otherwise or cell.ruling):
        assert ruling.outcome in (Outcome.APPLIED, Outcome.CONFLICT) or ruling.merges
