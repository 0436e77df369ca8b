"""The visit's state table: which event moves a stop where. Unknown pairs do not exist.

A failed or delivered stop is never reopened by a plan; what physically happened may still win
over what was decided meanwhile (a delivery over a cancel), which is the ``fact`` column.
"""

from enum import StrEnum
from types import MappingProxyType

from backend.domain.stop import StopState as S


class Move(StrEnum):
    """What can move a stop."""

    RELEASE = "release"
    ARRIVE = "arrive"
    DELIVER = "deliver"
    FAIL = "fail"
    CANCEL = "cancel"


# Moves that the plan and the control room may make.
PLANNED_MOVES = MappingProxyType(
    {
        (S.PLANNED, Move.RELEASE): S.RELEASED,
        (S.PLANNED, Move.CANCEL): S.CANCELLED,
        (S.RELEASED, Move.ARRIVE): S.ARRIVED,
        (S.RELEASED, Move.DELIVER): S.DELIVERED,
        (S.RELEASED, Move.FAIL): S.FAILED,
        (S.RELEASED, Move.CANCEL): S.CANCELLED,
        (S.ARRIVED, Move.RELEASE): S.RELEASED,
        (S.ARRIVED, Move.DELIVER): S.DELIVERED,
        (S.ARRIVED, Move.FAIL): S.FAILED,
        (S.ARRIVED, Move.CANCEL): S.CANCELLED,
    }
)

# What a door witnessed wins over what an office decided.
WITNESSED_MOVES = MappingProxyType(
    {
        (S.CANCELLED, Move.DELIVER): S.DELIVERED,
        (S.FAILED, Move.DELIVER): S.DELIVERED,
    }
)


def move(state: S, made: Move, *, witnessed: bool = False) -> S | None:
    """Return the state after the move, or None where the table has no such move."""
    after = PLANNED_MOVES.get((state, made))
    if after is None and witnessed:
        after = WITNESSED_MOVES.get((state, made))
    return after
