"""What an event means, given what became of its stop meanwhile: a total table.

Facts beat intents: what physically happened wins over what somebody planned and a person is told; a
driver's intent loses to a later plan. No cell deletes anything. A missing cell fails at import.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """The six answers a mutation can get."""

    APPLIED = "applied"
    CONFLICT = "conflict"
    RECORDED = "recorded"
    HELD = "held"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class Act(StrEnum):
    """Kinds of mutation about a stop, as far as the table tells them apart."""

    ARRIVE = "arrive"
    DELIVER = "deliver"
    FAIL = "fail"
    PROVE = "prove"
    NOTE = "note"
    CORRECT = "correct"
    SKIP = "skip"


class Situation(StrEnum):
    """How the stop stands as the mutation arrives, seen from its driver."""

    OPEN = "open"
    ARRIVED = "arrived"
    CHANGED = "changed"
    REASSIGNED = "reassigned"
    CANCELLED = "cancelled"
    SET_DELIVERED = "set_delivered"
    SET_FAILED = "set_failed"
    OWN_DELIVERED = "own_delivered"
    OWN_FAILED = "own_failed"
    OTHER_DELIVERED = "other_delivered"
    OTHER_FAILED = "other_failed"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer, whether the stop moves, whether a person is asked, and why."""

    outcome: Outcome
    moves: bool = False
    asks: bool = False
    code: str | None = None


_RULINGS = {
    "A": Ruling(Outcome.APPLIED, moves=True),
    "N": Ruling(Outcome.APPLIED),
    "C": Ruling(Outcome.CONFLICT, moves=True, asks=True),
    "K": Ruling(Outcome.CONFLICT, asks=True),
    "R": Ruling(Outcome.RECORDED),
    "I": Ruling(Outcome.RECORDED, asks=True),
    "P": Ruling(Outcome.REJECTED, asks=True, code="plan_newer"),
    "X": Ruling(Outcome.REJECTED, asks=True, code="nothing_to_correct"),
}

# A moves · N applies on the timeline · C moves against the office · K stands beside another fact
# R recorded · I recorded, a person looks · P loses to the plan · X has nothing to mend
_CELLS = """
             ARRIVE DELIVER FAIL PROVE NOTE CORRECT SKIP
open              A       A    A     N    N       X    N
arrived           R       A    A     N    N       X    N
changed           A       A    A     N    N       X    P
reassigned        R       C    I     N    R       X    P
cancelled         R       C    R     N    R       X    P
set_delivered     R       R    I     N    N       X    P
set_failed        R       C    R     N    N       X    P
own_delivered     R       R    I     N    N       A    P
own_failed        R       C    R     N    N       A    P
other_delivered   R       K    I     N    R       X    P
other_failed      R       C    R     N    R       X    P
"""


def _read_table(text: str) -> MappingProxyType[tuple[Act, Situation], Ruling]:
    """Read the table; every act in every situation must have its cell."""
    head, *rows = text.strip().splitlines()
    acts = [Act(name.lower()) for name in head.split()]
    table = {}
    for row in rows:
        name, *cells = row.split()
        for act, cell in zip(acts, cells, strict=True):
            table[act, Situation(name)] = _RULINGS[cell]
    missing = {(act, situation) for act in Act for situation in Situation} - set(table)
    if missing:
        raise ValueError(f"the matrix has no cell for {sorted(missing)}")
    return MappingProxyType(table)


MATRIX = _read_table(_CELLS)
