"""The visit's state table: which event moves a stop where. Unknown pairs do not exist.

These are the moves of the plan and the control room. What a driver witnessed at a door may win over
what was decided meanwhile (a delivery over a cancel): that is for ``sync.matrix`` to say.
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


MOVES = MappingProxyType(
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


def move(state: S, made: Move) -> S | None:
    """Return the state after the move, or None where the table has no such move."""
    return MOVES.get((state, made))
