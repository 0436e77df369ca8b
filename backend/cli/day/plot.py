"""Who meets what in the demo's day: which stop gets which twist, chosen by rule from the routes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from backend.cli.day.control_room import Consignment, RouteItem
from backend.cli.day.driver import Driver, Twist

_BY_SEGMENT: Mapping[str, tuple[Twist, ...]] = {
    "premium": (Twist.WRONG_CODE, Twist.BY_QR, Twist.BY_QR, Twist.NO_PROOF, Twist.FAILED),
    "standard": (Twist.PHOTO_NEVER_SENT, Twist.CORRECTED, Twist.NO_PROOF, Twist.FAILED),
    "business": (Twist.NO_PROOF, Twist.MALFORMED),
    "economy": (Twist.LATE_PHOTO, Twist.LATE_PHOTO, Twist.PHOTO_NEVER_SENT, Twist.FAILED),
}


@dataclass(slots=True)
class Plot:
    """The day's turns."""

    twists: dict[str, Twist] = field(default_factory=dict)
    # Cancelled by the control room while its driver, out of reach, delivers it.
    cancelled_meanwhile: str = ""
    # Cancelled while its driver can still be told.
    cancelled_in_time: str = ""
    # Delivered with nothing to show; people vouch for them. Premium needs two.
    to_waive: list[str] = field(default_factory=list)
    to_waive_by_two: list[str] = field(default_factory=list)
    # Every stop's customer, by tracking link, where the segment asks for code or QR.
    links: dict[str, str] = field(default_factory=dict)


def devise(
    routes: Sequence[RouteItem], goods: Iterable[Consignment], offline: Mapping[str, Driver]
) -> Plot:
    """Lay the twists on the day; `offline` are the drivers out of reach, by id."""
    by_id = {item.id: item for item in goods}
    plot = Plot()
    waiting: dict[str, list[str]] = defaultdict(list)
    for route in routes:
        for stop in route.stops:
            item = by_id[stop.consignment_ids[0]]
            waiting[item.segment or ""].append(stop.id)
            if item.segment == "premium" and item.tracking_url:
                plot.links[stop.id] = item.tracking_url
    plot.cancelled_meanwhile = _last(routes, offline, waiting["economy"], within_reach=False)
    plot.cancelled_in_time = _last(routes, offline, waiting["economy"], within_reach=True)
    plot.twists[plot.cancelled_meanwhile] = Twist.PLAIN
    for stop_id in (plot.cancelled_meanwhile, plot.cancelled_in_time):
        waiting["economy"].remove(stop_id)
    for segment, twists in _BY_SEGMENT.items():
        for twist, stop_id in zip(twists, waiting[segment], strict=False):
            plot.twists[stop_id] = twist
            if twist is Twist.NO_PROOF:
                by = plot.to_waive_by_two if segment == "premium" else plot.to_waive
                by.append(stop_id)
    return plot


def _last(
    routes: Sequence[RouteItem],
    offline: Mapping[str, Driver],
    among: Sequence[str],
    *,
    within_reach: bool,
) -> str:
    """The last such stop of a driver who can, or cannot, be told anything."""
    return next(
        stop.id
        for route in reversed(routes)
        if (route.driver_id not in offline) is within_reach
        for stop in reversed(route.stops)
        if stop.id in among
    )
