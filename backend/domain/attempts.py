"""What becomes of a consignment when a visit failed."""

from types import MappingProxyType

from backend.domain.consignment import ConsignmentState
from backend.domain.policy import Attempts, Fallback

_FALLEN_BACK = MappingProxyType(
    {
        Fallback.RETURN: ConsignmentState.RETURNED,
        Fallback.LOCKER: ConsignmentState.NEEDS_ATTENTION,
        Fallback.PICKUP_POINT: ConsignmentState.NEEDS_ATTENTION,
        Fallback.NONE: ConsignmentState.FAILED,
    }
)


def after_failure(attempts_made: int, policy: Attempts) -> ConsignmentState:
    """Return the consignment's state: ready for another attempt, or the policy's fallback."""
    if attempts_made < policy.max:
        return ConsignmentState.READY
    return _FALLEN_BACK[policy.fallback]
