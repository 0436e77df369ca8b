"""A depot's day as a planning problem: policies, windows and handling become plain numbers. Pure.

Everything a segment decides about planning is decided here: how long a door takes, how much a
visit is worth, what the van must be able to do, and which window to promise afterwards.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.domain.geo import LatLon
from backend.domain.segment import Segment
from backend.store.planning import CrewFacts, DepotFacts, Engagement, Goods, Pinned
from planner.answer import LeftOut
from planner.matrix import TravelTimes
from planner.problem import (
    Depot,
    Load,
    Pin,
    Problem,
    Reason,
    Shift,
    Vehicle,
    Visit,
    Window,
)

DOOR_S = 120
"""Seconds at a door for one parcel, before the segment's buffer."""

PARCEL_S = 20
"""Seconds for each further parcel."""

NEEDS_SKILL = frozenset({"refrigerated", "frozen", "hazardous", "two_person", "tail_lift"})
"""Handling words that need a skill everywhere; so does any word that some van or driver of the
depot has as a skill. The others (``fragile``) only tell the driver to be careful."""

BASE_PENALTY_S = 86_400
PENALTY_PER_PRIORITY_S = 3_456
"""Nobody is left out to save driving: each is worth at least a day on the road."""

PROMISE_GRID = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Day:
    """The problem, what it was made of, and whom it cannot contain."""

    problem: Problem
    goods: Mapping[str, Goods]
    crews: Mapping[str, CrewFacts]
    segments: Mapping[str, Segment]
    hopeless: tuple[LeftOut, ...]
    pinned: frozenset[str]


def compile_day(
    depot: DepotFacts,
    date: dt.date,
    goods: Sequence[Goods],
    crews: Sequence[CrewFacts],
    segments: Mapping[str, Segment],
    pins: Sequence[Pinned],
    engagements: Sequence[Engagement],
    skills: frozenset[str],
    times: TravelTimes,
) -> Day:
    """Return the day's problem, and at once whoever cannot be in it."""
    origin = dt.datetime.combine(date, dt.time(), ZoneInfo(depot.timezone)).astimezone(dt.UTC)
    place = LatLon(depot.lat, depot.lon)
    free_from = _free_from(engagements, place, times)
    shifts = tuple(
        shift
        for crew in crews
        if (shift := _shift(crew, origin, free_from.get(crew.shift_id))) is not None
    )
    pin_of = _pins(pins, {shift.id for shift in shifts})
    hopeless = tuple(left for each in goods if (left := _hopeless(each, segments)) is not None)
    out = {left.visit for left in hopeless}
    due = [each for each in goods if str(each.id) not in out]
    special = NEEDS_SKILL | skills
    visits = tuple(_visit(each, segments[each.segment], origin, pin_of, special) for each in due)
    return Day(
        Problem(origin, Depot(depot.code, place), shifts, visits),
        {str(each.id): each for each in goods},
        {str(crew.shift_id): crew for crew in crews},
        segments,
        hopeless,
        frozenset(pin_of),
    )


def attempts_spent(goods: Goods, segments: Mapping[str, Segment]) -> bool:
    """Tell whether it had every visit that its segment allows."""
    return goods.attempts >= segments[goods.segment].policy.attempts.max


def window_to_tell(
    goods: Goods, segment: Segment, eta: dt.datetime, shift_start: dt.datetime
) -> tuple[dt.datetime, dt.datetime]:
    """Return what to tell: the promised window, else one of the segment's width around the ETA."""
    start, end = goods.window_start, goods.window_end
    if start is not None and end is not None and end >= eta:
        return start, end
    width = dt.timedelta(minutes=segment.policy.promise.window_min)
    starts = _on_grid(max(eta - width / 2, min(shift_start, eta)))
    return starts, starts + max(width, PROMISE_GRID)


def _on_grid(moment: dt.datetime) -> dt.datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // PROMISE_GRID * PROMISE_GRID


def _hopeless(goods: Goods, segments: Mapping[str, Segment]) -> LeftOut | None:
    if goods.lat is None or goods.lon is None:
        return LeftOut(str(goods.id), Reason.NO_LOCATION, "the address has no location yet")
    if attempts_spent(goods, segments):
        detail = f"it had {goods.attempts} visits, which is all its segment allows"
        return LeftOut(str(goods.id), Reason.ATTEMPTS_SPENT, detail)
    return None


def _visit(
    goods: Goods,
    segment: Segment,
    origin: dt.datetime,
    pins: Mapping[str, Pin],
    special: frozenset[str],
) -> Visit:
    assert goods.lat is not None
    assert goods.lon is not None
    policy, contents = segment.policy, goods.contents
    door_s = DOOR_S + PARCEL_S * max(0, contents.parcels - 1) + policy.buffer_s
    return Visit(
        id=str(goods.id),
        place=LatLon(goods.lat, goods.lon),
        window=_window(goods, origin),
        service_s=door_s,
        demand=Load(ceil(contents.weight_kg * 1000), ceil(contents.volume_dm3 * 1000)),
        needs=(contents.handling & special) | frozenset(policy.vehicle_skills),
        drop_penalty_s=BASE_PENALTY_S + PENALTY_PER_PRIORITY_S * policy.priority,
        pin=pins.get(str(goods.id)),
    )


def _window(goods: Goods, origin: dt.datetime) -> Window:
    """Return the promised window; without one, or with one of a past day, any time will do."""
    if goods.window_start is None or goods.window_end is None or goods.window_end < origin:
        return Window(0, 2 * 86_400)
    return Window(_seconds(goods.window_start, origin), _seconds(goods.window_end, origin))


def _shift(crew: CrewFacts, origin: dt.datetime, free_from: dt.datetime | None) -> Shift | None:
    """Return what is left of a shift, or None where its released route takes all of it."""
    starts_at = max(crew.starts_at, free_from or crew.starts_at)
    if starts_at >= crew.ends_at:
        return None
    return Shift(
        id=str(crew.shift_id),
        vehicle=Vehicle(
            str(crew.vehicle_id),
            Load(int(crew.capacity_kg * 1000), int(crew.capacity_dm3 * 1000)),
            crew.vehicle_skills,
        ),
        starts_s=_seconds(starts_at, origin),
        ends_s=_seconds(crew.ends_at, origin),
        driver_skills=crew.driver_skills,
    )


def _free_from(
    engagements: Sequence[Engagement], depot: LatLon, times: TravelTimes
) -> dict[UUID, dt.datetime]:
    """Return when each shift that is already out will be back at the depot."""
    last: dict[UUID, Engagement] = {}
    for owed in engagements:
        known = last.get(owed.shift_id)
        if known is None or owed.ends_at > known.ends_at:
            last[owed.shift_id] = owed
    return {
        shift_id: owed.ends_at
        + dt.timedelta(seconds=times.between([LatLon(owed.lat, owed.lon), depot])[0][1])
        for shift_id, owed in last.items()
    }


def _pins(pins: Sequence[Pinned], shifts: set[str]) -> dict[str, Pin]:
    """Return the pins by visit; a pin to a shift that no longer exists binds nobody."""
    return {
        str(pin.consignment_id): Pin(str(pin.shift_id), pin.sequence)
        for pin in pins
        if str(pin.shift_id) in shifts
    }


def _seconds(moment: dt.datetime, origin: dt.datetime) -> int:
    return int((moment - origin).total_seconds())
