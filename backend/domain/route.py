"""A route: ordered stops for one driver, vehicle and shift."""

from enum import StrEnum


class RouteState(StrEnum):
    """How far a route got."""

    PLANNED = "planned"
    RELEASED = "released"
    STARTED = "started"
    FINISHED = "finished"
    SUPERSEDED = "superseded"

    @property
    def is_out(self) -> bool:
        """Binding and visible to its driver, and not yet over."""
        return self in (RouteState.RELEASED, RouteState.STARTED)


class PlanState(StrEnum):
    """How far a planning run got."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
