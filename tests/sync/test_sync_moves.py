"""A wall clock that was set, or a phone that slept, in a boot of which nobody heard."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clocks import Clocks, Exchange
from sync.clockwork import Basis, Estimate
from sync.moves import Moves, Way, moves
from sync.shown import DeviceTime

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)).map(lambda d: NOW + d)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def brought(*shown: DeviceTime, sent: DeviceTime, more: bool = False) -> list[Estimate]:
    """Estimate events that one call at NOW brought, in their order."""
    known, made = Clocks(), []
    exchange = Exchange(NOW, sent, moves=moves(sent, list(enumerate(shown, 1)), more=more))
    for n, event in enumerate(shown, 1):
        estimated, known = known.date(event, n, exchange)
        made.append(estimated)
    return made


def test_a_clock_set_in_a_boot_that_made_no_call_widens_its_bound() -> None:
    """Set between two events and not set back before the call: the earlier one's bound says so.

    Both events were told in the same minute of the phone's run, an hour before the call; the wall
    clock was put three hours forward between them.
    """
    first = DeviceTime(NOW - HOUR, 10_000, "silent")
    second = DeviceTime(NOW + 2 * HOUR, 11_000, "silent")
    before, after = brought(first, second, sent=DeviceTime(NOW + 3 * HOUR, 5, "new"))
    assert before.uncertainty_ms is not None
    assert abs(before.happened - (NOW - HOUR)) <= timedelta(milliseconds=before.uncertainty_ms)
    assert after == Estimate(NOW - HOUR, 60_180, Basis.WALL)


def test_a_clock_set_in_the_boot_after_it_widens_the_bound_of_a_silent_boot() -> None:
    """The wall clock ran on across the reboot; what the later boot shows counts for the earlier."""
    shown = [
        DeviceTime(NOW - HOUR, 10_000, "silent"),
        DeviceTime(NOW - 58 * MINUTE, 5_000, "new"),
        DeviceTime(NOW + timedelta(days=15), 6_000, "new"),
    ]
    sent = DeviceTime(NOW + timedelta(days=15), 6_000 + 58 * 60_000, "new")
    first, *_ = brought(*shown, sent=sent)
    assert first.uncertainty_ms is not None
    assert abs(first.happened - (NOW - HOUR)) <= timedelta(milliseconds=first.uncertainty_ms)


@given(MOMENTS, MOMENTS, st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_clocks_beyond_reckoning_are_left_out(
    wall: datetime, other: datetime, ran_ms: float, sent_ms: float
) -> None:
    """Whatever a phone shows, its events are dated no later than they came."""
    shown = [DeviceTime(wall, ran_ms, "a"), DeviceTime(other, -ran_ms, "a")]
    for made in brought(*shown, sent=DeviceTime(other, sent_ms, "b")):
        assert made.happened <= NOW


def holds(made: Estimate, truth: datetime) -> bool:
    """Whether the truth lies within what was told."""
    assert made.uncertainty_ms is not None
    return abs(made.happened - truth) <= timedelta(milliseconds=made.uncertainty_ms)


def silent(ran: timedelta, true: datetime, *, ahead: timedelta = timedelta()) -> DeviceTime:
    """What a boot that nobody heard showed at a true moment."""
    return DeviceTime(true + ahead, ran / timedelta(milliseconds=1), "silent")


def test_set_back_and_slept_do_not_cancel_out() -> None:
    """What was lost was set back for certain; what was gained may be a sleep."""
    ahead = -3 * HOUR
    made = brought(
        silent(timedelta(), NOW - 9 * HOUR),
        silent(HOUR, NOW - 8 * HOUR, ahead=ahead),
        silent(2 * HOUR, NOW - 4 * HOUR, ahead=ahead),  # three of the four hours were slept
        sent=DeviceTime(NOW + ahead, 5, "new"),
    )
    assert [holds(m, NOW - h * HOUR) for m, h in zip(made, (9, 8, 4), strict=True)] == [True] * 3
    assert made[0].happened == NOW - 9 * HOUR
    assert made[2].uncertainty_ms == 60_720


def test_set_back_the_earlier_act_does_not_push_the_later_one_forward() -> None:
    """Both are told as they were, though the first one's wall time is the later."""
    sent = DeviceTime(NOW - 3 * HOUR, 5, "new")
    first, second = brought(
        silent(HOUR, NOW - 6 * HOUR),
        silent(HOUR + MINUTE, NOW - 6 * HOUR + MINUTE, ahead=-3 * HOUR),
        sent=sent,
    )
    assert (first.happened, second.happened) == (NOW - 6 * HOUR, NOW - 6 * HOUR + MINUTE)
    assert (first.uncertainty_ms or 0) < 62_000


@pytest.mark.parametrize("days", [25, 30, 32, 400])
def test_a_bound_of_weeks_is_told_in_full_or_not_at_all(days: int) -> None:
    """No bound is cut to what a column holds."""
    first, _ = brought(
        silent(HOUR, NOW - HOUR),
        silent(HOUR + MINUTE, NOW - HOUR + MINUTE, ahead=days * DAY),
        sent=DeviceTime(NOW + days * DAY, 5, "new"),
    )
    assert first.uncertainty_ms is None or holds(first, NOW - HOUR)
    assert not first.bounded


def test_an_old_position_is_none_the_fresher_for_a_clock_that_was_set() -> None:
    """GPS time must fit one of the claims, not the way between them."""
    shown = silent(HOUR, NOW - 3 * HOUR)
    stale = DeviceTime(shown.wall, shown.monotonic_ms, shown.boot, NOW - 4 * HOUR)
    later = silent(HOUR + MINUTE, NOW - 3 * HOUR + MINUTE, ahead=3 * HOUR)
    first, _ = brought(stale, later, sent=DeviceTime(NOW + 3 * HOUR, 5, "new"))
    assert first.basis is Basis.WALL
    assert holds(first, NOW - 3 * HOUR)


@pytest.mark.parametrize(
    "sent",
    [
        DeviceTime(NOW + 3 * HOUR, None, "silent"),
        DeviceTime(NOW + 3 * HOUR, 2e15, "silent"),
        DeviceTime(NOW + 3 * HOUR, 5, None),
    ],
)
def test_a_call_that_is_no_anchor_of_the_boot_has_its_moves(sent: DeviceTime) -> None:
    """Where the boot of the call cannot be carried, its wall clock speaks, as far as it was set."""
    shown = (silent(HOUR, NOW - HOUR), silent(HOUR, NOW - HOUR, ahead=3 * HOUR))
    first, _ = brought(*shown, sent=sent)
    assert holds(first, NOW - HOUR) if first.uncertainty_ms is not None else True
    assert not first.bounded


def test_what_the_next_call_may_show_is_not_bounded_by_this_one() -> None:
    """The act by which the clock was set waits on the phone still."""
    sent = DeviceTime(NOW + 3 * HOUR, 5, "new")
    (first,) = brought(silent(HOUR, NOW - HOUR), sent=sent, more=True)
    assert first.basis is Basis.WALL
    assert first.uncertainty_ms is None


def test_what_was_set_and_set_back_out_of_sight_is_within_an_older_offset() -> None:
    """Seen right at eight and at three; three hours fast between two acts, and back unseen."""
    before = Exchange(NOW - 4 * HOUR, DeviceTime(NOW - 4 * HOUR, 7, "old"), 0)
    known = Clocks().after(before)
    shown = [silent(HOUR, NOW - 3 * HOUR), silent(2 * HOUR, NOW - 2 * HOUR, ahead=3 * HOUR)]
    sent, now = DeviceTime(NOW + 3 * HOUR, 5, "new"), NOW + 3 * HOUR
    told = list(enumerate(shown, 1))
    during = Exchange(now, sent, 2, moves=moves(sent, told, more=False))
    for n, event in told:
        made, known = known.date(event, n, during)
        assert holds(made, NOW - (4 - n) * HOUR)


def test_an_older_offset_counts_for_all_that_a_call_brings() -> None:
    """Chunk after chunk: the call itself has shown another one since."""
    before = Exchange(NOW - 4 * HOUR, DeviceTime(NOW - 4 * HOUR, 7, "old"), 0)
    known = Clocks().after(before)
    sent = DeviceTime(NOW + 3 * HOUR, 5, "new")  # set forward while it was off
    during = Exchange(NOW, sent, 2)
    for n in (1, 2):
        made, known = known.date(silent(n * MINUTE, NOW - 3 * HOUR), n, during)
        known = known.after(during)
        assert holds(made, NOW - 3 * HOUR)


def test_ways_before_and_after_an_event_make_the_whole() -> None:
    """An event between two settings: one lies before it, one after."""
    told = [
        (7, silent(HOUR, NOW)),
        (8, DeviceTime(None, 1.0, "silent")),
        (9, silent(2 * HOUR, NOW + HOUR, ahead=-HOUR)),
    ]
    sent = silent(3 * HOUR, NOW + 2 * HOUR, ahead=HOUR)
    assert moves(sent, told, more=True) is None
    assert moves(sent, told, more=False) == {
        7: Moves(Way(), Way(-HOUR, 2 * HOUR)),
        8: Moves(Way(), Way(-HOUR, 2 * HOUR)),
        9: Moves(Way(-HOUR), Way(timedelta(), 2 * HOUR)),
    }
