"""Every row type, and nothing else. Rows never leave ``backend.store`` towards the wire."""

from backend.tables import (
    audit,
    base,
    consignments,
    devices,
    evidence,
    fleet,
    follow_ups,
    inbox,
    installation,
    mutations,
    people,
    plans,
    scopes,
    segments,
    stops,
)

__all__ = [
    "audit",
    "base",
    "consignments",
    "devices",
    "evidence",
    "fleet",
    "follow_ups",
    "inbox",
    "installation",
    "mutations",
    "people",
    "plans",
    "scopes",
    "segments",
    "stops",
]
