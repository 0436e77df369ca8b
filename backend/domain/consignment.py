"""A consignment: goods for one recipient under one promise; it outlives visits."""

from enum import StrEnum


class ConsignmentState(StrEnum):
    """The fate of a consignment, so far or for good."""

    READY = "ready"
    NEEDS_ATTENTION = "needs_attention"
    PLANNED = "planned"
    RELEASED = "released"
    DELIVERED = "delivered"
    FAILED = "failed"
    RETURNED = "returned"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        """Nothing more is going to be tried."""
        return self in (
            ConsignmentState.DELIVERED,
            ConsignmentState.FAILED,
            ConsignmentState.RETURNED,
            ConsignmentState.CANCELLED,
        )
