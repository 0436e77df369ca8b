"""The kinds of mutation, and what each speaks of. Standard library only: the rules read these."""

from enum import StrEnum


class About(StrEnum):
    """What a kind speaks of."""

    STOP = "stop"
    ROUTE = "route"
    DEVICE = "device"


class Kind(StrEnum):
    """Kinds of mutation."""

    ROUTE_STARTED = "route.started"
    ROUTE_FINISHED = "route.finished"
    STOP_DEPARTED = "stop.departed"
    STOP_ARRIVED = "stop.arrived"
    STOP_DELIVERED = "stop.delivered"
    STOP_FAILED = "stop.failed"
    EVIDENCE_ADDED = "evidence.added"
    CODE_PRESENTED = "code.presented"
    PARCEL_SCANNED = "parcel.scanned"
    STOP_NOTED = "stop.noted"
    STOP_CORRECTED = "stop.corrected"
    STOP_SKIPPED = "stop.skipped"
    ROUTE_RESEQUENCED = "route.resequenced"
    LOST_EVENTS = "device.lost_events"


CORRECTABLE = frozenset({Kind.STOP_DELIVERED, Kind.STOP_FAILED})


def about(kind: Kind) -> About:
    """Say what a kind speaks of."""
    if kind is Kind.LOST_EVENTS:
        return About.DEVICE
    return About.ROUTE if kind.startswith("route.") else About.STOP
