"""How long the code and the token at a door are good for."""

from datetime import datetime, timedelta

from backend.domain.policy import Policy

USUAL_TTL_MIN = 720  # a shift may run late; a code must not die while the van is on its way


def door_expires_at(policy: Policy, issued: datetime, shift_end: datetime) -> datetime:
    """Return when an issue dies: ``ttl_min`` after the shift's end, or after a later issue."""
    ttl = policy.code.ttl_min or USUAL_TTL_MIN
    return max(issued, shift_end) + timedelta(minutes=ttl)
