"""What the customer's page shows, as JSON; the page itself is filled from the same."""

import msgspec


class WindowOut(msgspec.Struct, frozen=True):
    """From when until when."""

    start: str
    end: str


class TrackingOut(msgspec.Struct, frozen=True):
    """What the page shows. ``code`` and ``door`` are there only while the route is out.

    ``eta`` is the plan's word; ``expected`` says whether it still holds: ``at`` that time,
    ``soon`` once it has passed, ``late`` once the promise has, too; null where there is no ETA.
    """

    state: str
    segment: str
    promise: WindowOut | None
    eta: str | None
    code: str | None
    door: str | None
    proof: str | None
    actions: list[str]
    delivered_at: str | None
    method: str | None
    reason: str | None
    evidence: list[str]
    stops_away: int | None
    expected: str | None
