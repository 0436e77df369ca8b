"""When it happened, from clocks that may lie."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clocks import Clocks, Exchange, read, write
from sync.clockwork import (
    UNHEARD,
    Anchor,
    Basis,
    Bounds,
    Echo,
    Estimate,
    Offset,
    Seen,
    estimate,
    tighter,
)
from sync.shown import DeviceTime
from sync.wall import read_wall

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)).map(lambda d: NOW + d)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def told(event: DeviceTime, sent: DeviceTime, known: Clocks | None = None, n: int = 5) -> Estimate:
    """Estimate an event that a call at NOW brought."""
    return (known or Clocks()).date(event, n, Exchange(NOW, sent))[0]


@given(MOMENTS, MOMENTS)
def test_within_a_boot_no_wall_clock_matters(sent_wall: datetime, wall: datetime) -> None:
    """Any jump of the wall clock changes the estimate by nothing."""
    sent = DeviceTime(sent_wall, 90_000, "b")
    made = told(DeviceTime(wall, 30_000, "b"), sent)
    assert made.happened == NOW - MINUTE
    assert made.bounded


def test_across_boots_the_wall_clock_is_corrected_by_what_it_shows_now() -> None:
    """A phone that is an hour fast was an hour fast before its reboot, as far as anyone knows."""
    sent = DeviceTime(NOW + HOUR, 5, "new")
    made = told(DeviceTime(NOW - 2 * HOUR, 5, "old"), sent)
    assert made == Estimate(NOW - 3 * HOUR, 60_540, Basis.WALL)
    assert not made.bounded


def test_an_anchor_of_the_other_boot_is_exact() -> None:
    """A boot that was heard once dates its later events, whatever the wall clock says now."""
    before = Exchange(NOW - 5 * HOUR, DeviceTime(NOW, 1_000_000, "old"), 4)
    event = DeviceTime(NOW - timedelta(days=900), 1_000_000 + 3_600_000, "old")
    made = told(event, DeviceTime(NOW, 5, "new"), Clocks().after(before))
    assert made.happened == NOW - 4 * HOUR
    assert made.bounded
    assert made.uncertainty_ms == 30_180  # a road nobody measured, and an hour of drift


@pytest.mark.parametrize("replayed_ms", [0, 60_000])
def test_an_old_call_come_late_does_not_say_what_was_left_to_tell(replayed_ms: int) -> None:
    """It says that nothing was recorded yet; that was true when it was sent, and no more."""
    known = Clocks()
    for ran_ms in (0, 60_000):
        heard = NOW - HOUR + timedelta(milliseconds=ran_ms)
        known = known.after(Exchange(heard, DeviceTime(heard, ran_ms, "old"), 0))
    happened = NOW - HOUR / 2
    event = DeviceTime(happened, 1_800_000, "old")
    late = Exchange(NOW, DeviceTime(NOW - HOUR, replayed_ms, "old"), 0)
    made = told(event, DeviceTime(NOW, 5, "new"), known.after(late), n=1)
    assert abs(made.happened - happened) <= timedelta(milliseconds=made.uncertainty_ms or 0)


def test_the_same_call_again_is_no_later_moment_of_its_clock() -> None:
    """The first call of a boot came twice, five minutes apart: the first is when it was sent."""
    shown = DeviceTime(NOW - HOUR, 0, "old")
    known = Clocks().after(Exchange(NOW - HOUR, shown, 0))
    known = known.after(Exchange(NOW - HOUR + 5 * MINUTE, shown, 0))
    made = told(DeviceTime(None, 900_000, "old"), DeviceTime(NOW, 5, "new"), known, n=1)
    assert abs(made.happened - (NOW - 45 * MINUTE)) <= timedelta(milliseconds=30_050)
    assert (made.uncertainty_ms or 0) <= 30_050
    by_wall = told(DeviceTime(NOW - 45 * MINUTE, 1, "unheard"), DeviceTime(), known)
    assert by_wall.happened == NOW - 45 * MINUTE


def test_an_anchor_dates_a_call_that_shows_no_clock() -> None:
    """The same boot without a ``client`` block is dated by what an earlier call showed."""
    known = Clocks().after(Exchange(NOW - HOUR, DeviceTime(None, 0, "b"), 4))
    assert told(DeviceTime(None, 600_000, "b"), DeviceTime(), known).happened == NOW - 50 * MINUTE


def test_a_late_request_moves_nothing() -> None:
    """An exchange that spent a minute on the road loses against one that did not."""
    known = Clocks().after(Exchange(NOW - HOUR, DeviceTime(None, 0, "b")))
    late = Exchange(NOW + MINUTE, DeviceTime(None, 3_600_000, "b"))
    made, _ = known.date(DeviceTime(None, 1_800_000, "b"), 9, late)
    assert abs(made.happened - (NOW - 30 * MINUTE)) <= MINUTE
    assert made.uncertainty_ms is not None
    low = made.happened - timedelta(milliseconds=made.uncertainty_ms)
    assert low <= NOW - 30 * MINUTE <= made.happened + timedelta(milliseconds=made.uncertainty_ms)


def test_a_clock_that_sleeps_with_its_phone_widens_the_bound() -> None:
    """The truth lies between what the call before and the call after say."""
    known = Clocks().after(Exchange(NOW - 3 * HOUR, DeviceTime(None, 0, "b")))
    sent = DeviceTime(None, 3_600_000, "b")  # two of the three hours were slept through
    made = told(DeviceTime(None, 1_800_000, "b"), sent, known)
    assert made.happened == NOW - HOUR / 2
    assert made.uncertainty_ms == pytest.approx(2 * 3_600_000, rel=0.01)


def test_a_wall_clock_that_was_set_meanwhile_is_believed_both_ways() -> None:
    """Two offsets, so the bound reaches from one to the other."""
    known = Clocks().after(Exchange(NOW - 3 * HOUR, DeviceTime(NOW - 3 * HOUR, 7, "x")))
    event = DeviceTime(NOW - HOUR, 7, "unheard")
    made = told(event, DeviceTime(NOW + 30 * MINUTE, 5, "new"), known)
    assert made.happened == NOW - 90 * MINUTE
    assert made.uncertainty_ms is not None
    assert timedelta(milliseconds=made.uncertainty_ms) > 30 * MINUTE


def test_it_happened_after_the_call_before_it() -> None:
    """A phone that had nothing left to tell at eleven did nothing of this before eleven."""
    known = Clocks().after(Exchange(NOW - HOUR, DeviceTime(NOW - HOUR, 7, "x"), 4))
    sent = DeviceTime(NOW, 5, "new")
    event = DeviceTime(NOW - HOUR - timedelta(seconds=58), 7, "unheard")
    made = told(event, sent, known, n=5)
    assert made.happened == NOW - HOUR - UNHEARD
    assert told(event, sent, known, n=4).happened == event.wall


def test_a_phone_that_kept_something_back_is_not_called_a_liar() -> None:
    """Its wall time stands, and the bound reaches to the receipt; an anchor is not in doubt."""
    known = Clocks().after(Exchange(NOW - HOUR, DeviceTime(NOW - HOUR, 18_000_000, "x"), 4))
    sent = DeviceTime(NOW, 5, "new")
    made = told(DeviceTime(NOW - 5 * HOUR, 7, "unheard"), sent, known)
    assert made.happened == NOW - 5 * HOUR
    assert made.uncertainty_ms == 5 * 3_600_000
    anchored = told(DeviceTime(None, 3_600_000, "x"), sent, known)
    assert anchored.happened == NOW - 5 * HOUR
    assert anchored.bounded
    assert anchored.uncertainty_ms == 30_720


SLOW = timedelta(seconds=4)


def test_a_slow_call_that_is_alone_claims_no_more_than_it_can() -> None:
    """Four seconds on the road, nothing to measure them by: the truth lies within the bound."""
    made = told(DeviceTime(None, 30_000, "b"), DeviceTime(None, 90_000, "b"))
    assert made.uncertainty_ms is not None
    truth = NOW - SLOW - MINUTE
    assert abs(made.happened - truth) <= timedelta(milliseconds=made.uncertainty_ms)


def test_an_echo_measures_the_road() -> None:
    """What the phone heard a minute before it sent says that the call took four seconds."""
    echo = Echo(NOW - SLOW - MINUTE, 30_000)
    exchange = Exchange(NOW, DeviceTime(None, 90_000, "b"), echo=echo)
    made, _ = Clocks().date(DeviceTime(None, 60_000, "b"), 5, exchange)
    assert made.happened == NOW - MINUTE / 2
    assert made.uncertainty_ms == 4_003  # half a minute of drift since it was heard, and a tick


def test_what_is_proven_comes_before_what_is_presumed() -> None:
    """The boot's first call was slow and alone; the next one shows by how much at most."""
    known = Clocks().after(Exchange(NOW - MINUTE + SLOW, DeviceTime(None, 0, "b")))
    echo = Echo(NOW - MINUTE, 10)
    second = Exchange(NOW, DeviceTime(None, 60_000, "b"), echo=echo)
    made, known = known.date(DeviceTime(None, 30_000, "b"), 5, second)
    assert made.uncertainty_ms is not None
    assert made.uncertainty_ms < 100
    (kept,) = read(write(known.after(second))).boots
    assert kept.anchor is not None
    assert kept.anchor.road is not None
    assert kept.anchor.road < timedelta(milliseconds=100)


@pytest.mark.parametrize(
    "echo",
    [
        Echo(NOW + MINUTE, 0),  # of tomorrow
        Echo(NOW - MINUTE, 95_000),  # heard after it was sent
        Echo(NOW - MINUTE, -1e15),
        Echo(NOW - MINUTE, 1_000),  # of another boot: more passed here than there
    ],
)
def test_an_echo_that_contradicts_itself_proves_nothing(echo: Echo) -> None:
    """It makes nothing more certain, and harms nothing."""
    exchange = Exchange(NOW, DeviceTime(None, 90_000, "b"), echo=echo)
    made, _ = Clocks().date(DeviceTime(None, 30_000, "b"), 5, exchange)
    assert made == told(DeviceTime(None, 30_000, "b"), DeviceTime(None, 90_000, "b"))


def test_clocks_kept_by_the_release_before_are_read() -> None:
    """They know of no measured road."""
    known = Clocks().after(Exchange(NOW, DeviceTime(None, 0, "b")))
    before = {name: kept for name, kept in write(known).items() if name != "roads"}
    assert read(before) == known


def test_fresh_gps_time_counts_and_an_old_position_does_not() -> None:
    """Ten seconds make the difference, by our own clocks."""
    sent = DeviceTime(None, 90_000, "b")
    for age_s, expected in ((9, NOW - MINUTE - timedelta(seconds=9)), (30, NOW - MINUTE)):
        gps = NOW - MINUTE - timedelta(seconds=age_s)
        assert told(DeviceTime(None, 30_000, "b", gps), sent).happened == expected
    alone = told(DeviceTime(None, None, None, NOW - HOUR), DeviceTime())
    assert alone == Estimate(NOW - HOUR, 10_000, Basis.GPS)


def test_an_undated_event_happened_when_it_was_heard() -> None:
    """And nothing bounds that."""
    assert told(DeviceTime(), DeviceTime()) == Estimate(NOW, None)


def test_a_wall_clock_alone_is_told_and_bounds_nothing() -> None:
    """It is the device's word, and no more than that."""
    made = told(DeviceTime(NOW - HOUR), DeviceTime())
    assert made == Estimate(NOW - HOUR, None, Basis.WALL)
    assert not made.bounded


def test_a_clock_that_ran_backwards_bounds_nothing() -> None:
    """A monotonic clock that shows more at the event than at sending is no such clock."""
    made = told(DeviceTime(None, 20_000, "b"), DeviceTime(None, 10, "b"))
    assert made.uncertainty_ms is None


def test_a_boot_id_that_is_used_again_is_another_boot() -> None:
    """A clock that starts over under the same name forgets its anchor."""
    old = Anchor(NOW - HOUR, 9_000_000.0)
    assert tighter(old, Anchor(NOW, 5.0)) == Anchor(NOW, 5.0)
    assert tighter(old, Anchor(NOW, -5.0)) == Anchor(NOW, -5.0)
    known = Clocks().after(Exchange(NOW - HOUR, DeviceTime(None, 9_000_000, "b"), 1))
    made = told(DeviceTime(None, 30_000, "b"), DeviceTime(None, 90_000, "b"), known)
    assert made.happened == NOW - MINUTE


def test_an_old_request_that_comes_late_is_no_new_boot() -> None:
    """It was sent before one that we heard already: what that one told stands, and dates it too."""
    heard = Anchor(NOW - MINUTE, 9_000_000.0)
    assert tighter(heard, Anchor(NOW, 8_990_000.0)) == heard
    known = Clocks().after(Exchange(NOW - MINUTE, DeviceTime(None, 9_000_000, "b")))
    late = DeviceTime(None, 8_990_000, "b")
    made = told(DeviceTime(None, 8_980_000, "b"), late, known)
    assert NOW - made.happened == timedelta(seconds=80)


def test_an_estimate_never_precedes_the_same_boots_last() -> None:
    """The floor lifts what lies below it, and no higher than the receipt."""
    bounds = Bounds(NOW, floor=NOW - MINUTE, offsets=(Seen(Offset(NOW, timedelta())),))
    assert estimate(DeviceTime(NOW - HOUR), bounds).happened == NOW - MINUTE


def test_what_cannot_be_read_is_missing() -> None:
    """Rubbish, absurd years and missing values alike."""
    for text in (None, "", "soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "\0"):
        assert read_wall(text) is None


def test_a_clock_that_began_in_1970_is_off_and_dates_by_how_much() -> None:
    """It is seen for what it is; without a call to hold it against its word counts for nothing."""
    wall = read_wall("1970-01-01T00:05:00.000Z")
    assert wall is not None
    offset = Exchange(NOW, DeviceTime(wall)).offset
    assert offset is not None
    assert offset.ahead == wall - NOW
    made = estimate(DeviceTime(wall - MINUTE), Bounds(NOW, offsets=(Seen(offset),)))
    assert (made.happened, made.basis) == (NOW - MINUTE, Basis.WALL)
    assert estimate(DeviceTime(wall), Bounds(NOW)) == Estimate(NOW, None)
