"""A stop: one planned visit. Two small state machines, the visit and its proof."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class StopState(StrEnum):
    """How far the visit got."""

    PLANNED = "planned"
    RELEASED = "released"
    ARRIVED = "arrived"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """A final visit is never reopened; the consignment gets a new stop instead."""
        return self in (StopState.DELIVERED, StopState.FAILED, StopState.CANCELLED)


class ProofState(StrEnum):
    """How far the proof of that visit got."""

    NONE = "none"
    AWAITED = "awaited"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Stop:
    """What the rules need to know of a stop."""

    id: UUID
    state: StopState
    proof: ProofState
    version: int
