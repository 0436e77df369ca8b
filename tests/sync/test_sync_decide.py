"""The matrix: total, and true to its principles in every cell."""

import pytest

from backend.domain.stop import StopState
from backend.domain.transitions import Move, move
from sync.decide import Closer, Known, decide, situation
from sync.kinds import About, Kind, about
from sync.matrix import MATRIX, Act, Outcome, Situation

FINAL = [one for one in Situation if one.startswith(("own_", "other_", "set_"))]


def test_every_act_in_every_situation_has_a_ruling() -> None:
    """No cell is missing."""
    assert set(MATRIX) == {(act, situation) for act in Act for situation in Situation}


@pytest.mark.parametrize("cell", sorted(MATRIX))
def test_the_principles_hold_in_every_cell(cell: tuple[Act, Situation]) -> None:
    """Facts are never rejected, conflicts ask a person, only intents lose to the plan."""
    act, _ = cell
    ruling = MATRIX[cell]
    if act not in (Act.SKIP, Act.CORRECT):
        assert ruling.outcome is not Outcome.REJECTED
    if ruling.outcome in (Outcome.CONFLICT, Outcome.REJECTED):
        assert ruling.asks
    if ruling.code == "plan_newer":
        assert act is Act.SKIP


@pytest.mark.parametrize(
    "against", [Situation.CANCELLED, Situation.SET_FAILED, Situation.REASSIGNED]
)
def test_a_delivery_wins_over_what_the_office_decided(against: Situation) -> None:
    """It takes effect, and a person looks at it."""
    ruling = MATRIX[Act.DELIVER, against]
    assert (ruling.outcome, ruling.moves) == (Outcome.CONFLICT, True)


@pytest.mark.parametrize("against", FINAL)
def test_a_failure_never_undoes_an_end(against: Situation) -> None:
    """What was closed stays closed; the failure is kept beside it."""
    assert not MATRIX[Act.FAIL, against].moves


@pytest.mark.parametrize(
    ("known", "base", "expected"),
    [
        (Known(StopState.RELEASED, True, 1, None), 1, Situation.OPEN),
        (Known(StopState.RELEASED, True, 3, None), 2, Situation.CHANGED),
        (Known(StopState.RELEASED, True, 3, None), None, Situation.OPEN),
        (Known(StopState.ARRIVED, True, 1, None), 5, Situation.ARRIVED),
        (Known(StopState.ARRIVED, False, 1, None), 1, Situation.REASSIGNED),
        (Known(StopState.CANCELLED, True, 1, None), 1, Situation.CANCELLED),
        (Known(StopState.DELIVERED, True, 1, Closer.SELF), 1, Situation.OWN_DELIVERED),
        (Known(StopState.FAILED, True, 1, Closer.OFFICE), 1, Situation.SET_FAILED),
        (Known(StopState.DELIVERED, False, 1, Closer.OTHER_DRIVER), 1, Situation.OTHER_DELIVERED),
        (Known(StopState.DELIVERED, True, 1, None), 1, Situation.SET_DELIVERED),
    ],
)
def test_situations_are_named_from_what_is_known(
    known: Known, base: int | None, expected: Situation
) -> None:
    """State first, then whose stop it is, then whether the office changed it since."""
    assert situation(base, known) is expected


def test_every_kind_about_a_stop_can_be_decided() -> None:
    """No kind falls outside the matrix."""
    known = Known(StopState.RELEASED, True, 0, None)
    for kind in (kind for kind in Kind if about(kind) is About.STOP):
        assert decide(kind, None, known) in MATRIX.values()


@pytest.mark.parametrize("state", [StopState.RELEASED, StopState.ARRIVED])
@pytest.mark.parametrize(
    ("act", "made"),
    [(Act.ARRIVE, Move.ARRIVE), (Act.DELIVER, Move.DELIVER), (Act.FAIL, Move.FAIL)],
)
def test_drivers_and_office_move_an_open_stop_alike(act: Act, made: Move, state: StopState) -> None:
    """Where nobody contradicts, the matrix moves exactly what the state table lets move."""
    stands = Situation.ARRIVED if state is StopState.ARRIVED else Situation.OPEN
    assert MATRIX[act, stands].moves == (move(state, made) is not None)
