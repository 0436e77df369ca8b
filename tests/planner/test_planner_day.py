"""A depot's day in numbers: windows, service, skills, worth, and shifts that are out already."""

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest

from backend.domain.segment import (
    Attempts,
    CodePolicy,
    EtaShown,
    Fallback,
    ManifestLook,
    Policy,
    Promise,
    Segment,
    Tracking,
)
from backend.store.planning import Contents, CrewFacts, DepotFacts, Engagement, Goods, Pinned
from planner.day import BASE_PENALTY_S, Day, compile_day, window_to_tell
from planner.matrix import CrowFlight
from planner.problem import Load, Pin, Reason, Window

DATE = dt.date(2026, 11, 24)
DEPOT = DepotFacts(UUID(int=1), "BAL", 39.29, -76.61, "America/New_York")
MIDNIGHT = dt.datetime(2026, 11, 24, 5, tzinfo=dt.UTC)
POLICY = Policy(
    label="Standard",
    priority=50,
    promise=Promise(120),
    buffer_s=60,
    geofence_m=100,
    attempts=Attempts(2, Fallback.RETURN),
    proof=(),
    late_evidence_h=4,
    undo_s=60,
    code=CodePolicy(live=False),
    second_person=False,
    manifest=ManifestLook("#000000", "S", ()),
    tracking=Tracking(EtaShown.WINDOW, stops_away=False, actions=()),
)
STANDARD = Segment("standard", 3, POLICY)
GOODS = Goods(
    id=UUID(int=10),
    version=1,
    reference="A",
    state="ready",
    segment="standard",
    lat=39.30,
    lon=-76.61,
    window_start=None,
    window_end=None,
    attempts=0,
    contents=Contents(3, 2.5, 4.0005, frozenset({"fragile"})),
)
CREW = CrewFacts(
    shift_id=UUID(int=20),
    driver_id=UUID(int=21),
    vehicle_id=UUID(int=22),
    starts_at=MIDNIGHT + dt.timedelta(hours=8),
    ends_at=MIDNIGHT + dt.timedelta(hours=17),
    capacity_kg=500.0,
    capacity_dm3=5000.0,
    vehicle_skills=frozenset({"tail_lift"}),
    driver_skills=frozenset({"two_person"}),
)


def compiled(
    goods: Goods = GOODS,
    *,
    segment: Segment = STANDARD,
    pins: tuple[Pinned, ...] = (),
    engagements: tuple[Engagement, ...] = (),
    skills: frozenset[str] = frozenset(),
    date: dt.date = DATE,
) -> Day:
    """Compile a day of one consignment and one crew."""
    return compile_day(
        DEPOT,
        date,
        [goods],
        [CREW],
        {"standard": segment},
        pins,
        engagements,
        skills,
        CrowFlight(),
    )


def test_a_visit_is_made_of_parcels_and_policy() -> None:
    """Service is door, further parcels and buffer; loads are rounded up; priority is worth more."""
    [visit] = compiled().problem.visits
    assert visit.service_s == 120 + 2 * 20 + 60
    assert visit.demand == Load(2500, 4001)
    assert visit.window == Window(0, 2 * 86_400)
    assert visit.needs == frozenset()
    dearer = replace(STANDARD, policy=replace(POLICY, priority=90))
    assert compiled(segment=dearer).problem.visits[0].drop_penalty_s > visit.drop_penalty_s
    assert visit.drop_penalty_s > BASE_PENALTY_S


def test_times_count_from_the_depots_own_midnight() -> None:
    """Also on the day when the clocks change."""
    day = compiled()
    assert day.problem.origin == MIDNIGHT
    [shift] = day.problem.shifts
    assert (shift.starts_s, shift.ends_s) == (8 * 3600, 17 * 3600)
    assert shift.skills == {"tail_lift", "two_person"}
    spring = compiled(date=dt.date(2026, 3, 8)).problem.origin
    assert spring == dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC)


def test_a_promised_window_binds_unless_its_day_is_over() -> None:
    """A promise for today is kept to the second; one of yesterday binds nobody any more."""
    today = replace(
        GOODS,
        window_start=MIDNIGHT + dt.timedelta(hours=10),
        window_end=MIDNIGHT + dt.timedelta(hours=12),
    )
    assert compiled(today).problem.visits[0].window == Window(36_000, 43_200)
    past = replace(
        GOODS,
        window_start=MIDNIGHT - dt.timedelta(hours=14),
        window_end=MIDNIGHT - dt.timedelta(hours=12),
    )
    assert compiled(past).problem.visits[0].window == Window(0, 2 * 86_400)


@pytest.mark.parametrize(
    ("handling", "fleet", "needs"),
    [
        ({"fragile"}, set(), set()),
        ({"refrigerated", "fragile"}, set(), {"refrigerated"}),
        ({"glass"}, {"glass", "crane"}, {"glass"}),
    ],
)
def test_handling_needs_a_skill_where_it_is_one(
    handling: set[str], fleet: set[str], needs: set[str]
) -> None:
    """Some words always need a skill; others where this depot has vans or drivers for them."""
    goods = replace(GOODS, contents=Contents(1, 1.0, 1.0, frozenset(handling)))
    assert compiled(goods, skills=frozenset(fleet)).problem.visits[0].needs == needs


def test_a_segment_can_ask_for_a_van() -> None:
    """``limits.vehicle_skills`` are needs of every visit in the segment."""
    picky = replace(STANDARD, policy=replace(POLICY, vehicle_skills=("tail_lift",)))
    assert compiled(segment=picky).problem.visits[0].needs == {"tail_lift"}


def test_who_cannot_be_visited_is_explained_at_once() -> None:
    """Without a location, or after the last attempt, there is a reason and no visit."""
    lost = compiled(replace(GOODS, lat=None, lon=None))
    assert [left.reason for left in lost.hopeless] == [Reason.NO_LOCATION]
    spent = compiled(replace(GOODS, attempts=2))
    assert [left.reason for left in spent.hopeless] == [Reason.ATTEMPTS_SPENT]
    assert not lost.problem.visits
    assert not spent.problem.visits


def test_a_crew_that_is_out_starts_again_when_it_is_back() -> None:
    """What it owes to a released route comes first; nothing is left of a shift that is full."""
    back = MIDNIGHT + dt.timedelta(hours=12)
    owed = Engagement(CREW.shift_id, back, DEPOT.lat, DEPOT.lon)
    earlier = replace(owed, ends_at=back - dt.timedelta(hours=3))
    [shift] = compiled(engagements=(owed, earlier)).problem.shifts
    assert shift.starts_s == 12 * 3600
    late = replace(owed, ends_at=CREW.ends_at + dt.timedelta(minutes=1))
    assert not compiled(engagements=(late,)).problem.shifts


def test_pins_follow_their_shift_and_die_with_it() -> None:
    """A pin to a shift that is gone binds nobody."""
    pin = Pinned(GOODS.id, CREW.shift_id, 4)
    assert compiled(pins=(pin,)).problem.visits[0].pin == Pin(str(CREW.shift_id), 4)
    gone = replace(pin, shift_id=UUID(int=99))
    assert compiled(pins=(gone,)).problem.visits[0].pin is None


def test_the_told_window_is_the_promise_or_lies_around_the_arrival() -> None:
    """Without a promise the segment's width is laid around the ETA, on quarters of an hour."""
    eta = MIDNIGHT + dt.timedelta(hours=10, minutes=37)
    start, end = window_to_tell(GOODS, STANDARD, eta, CREW.starts_at)
    assert start == MIDNIGHT + dt.timedelta(hours=9, minutes=30)
    assert end - start == dt.timedelta(hours=2)
    first = CREW.starts_at + dt.timedelta(minutes=5)
    assert window_to_tell(GOODS, STANDARD, first, CREW.starts_at)[0] == CREW.starts_at
    promised = replace(GOODS, window_start=CREW.starts_at, window_end=CREW.ends_at)
    told = window_to_tell(promised, STANDARD, eta, CREW.starts_at)
    assert told == (CREW.starts_at, CREW.ends_at)
