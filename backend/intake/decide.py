"""What an import may do to a consignment that is there already. Pure.

Before it is out, everything may change. While it is out, only how to reach the recipient and the
instructions; the driver is told. After its fate is settled, nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from backend.domain.consignment import ConsignmentState
from backend.intake.notes import RowCode

_HALF = 32


class Step(StrEnum):
    """What to do with one consignment of an import."""

    CREATE = "create"
    UPDATE = "update"
    CONTACT = "contact"
    KEEP = "keep"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """The step, and why where it is a refusal."""

    step: Step
    code: RowCode | None = None
    detail: str = ""


_FREE: Final = (ConsignmentState.READY, ConsignmentState.NEEDS_ATTENTION, ConsignmentState.PLANNED)
_REFUSED: Final[Mapping[ConsignmentState, tuple[RowCode, str]]] = {
    ConsignmentState.RELEASED: (
        RowCode.ALREADY_RELEASED,
        "is on a driver's manifest: only phone, e-mail and instructions may still change",
    ),
    ConsignmentState.DELIVERED: (RowCode.ALREADY_SETTLED, "is delivered"),
    ConsignmentState.FAILED: (RowCode.ALREADY_SETTLED, "has failed for good"),
    ConsignmentState.RETURNED: (RowCode.ALREADY_SETTLED, "was returned"),
    ConsignmentState.CANCELLED: (RowCode.ALREADY_SETTLED, "was cancelled"),
}


def decide(state: ConsignmentState | None, before: bytes, after: bytes) -> Decision:
    """Decide by the state (None: not there yet) and both fingerprints, goods then contact."""
    if state is None:
        return Decision(Step.CREATE)
    if before == after:
        return Decision(Step.KEEP)
    if state in _FREE:
        return Decision(Step.UPDATE)
    if state is ConsignmentState.RELEASED and before[:_HALF] == after[:_HALF]:
        return Decision(Step.CONTACT)
    code, detail = _REFUSED[state]
    return Decision(Step.REFUSE, code, detail)
