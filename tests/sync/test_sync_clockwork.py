"""When it happened, from clocks that may lie."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.clockwork import DeviceTime, estimate, read_wall

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)).map(lambda d: NOW + d)


@given(MOMENTS, MOMENTS)
def test_within_a_boot_no_wall_clock_matters(sent_wall: datetime, wall: datetime) -> None:
    """Any jump of the wall clock changes the estimate by nothing."""
    sent = DeviceTime(sent_wall, 90_000, "b")
    made = estimate(NOW, sent, DeviceTime(wall, 30_000, "b"))
    assert made.happened == NOW - timedelta(minutes=1)
    assert made.uncertainty_ms is not None


def test_across_boots_the_wall_clock_is_corrected_by_what_it_shows_now() -> None:
    """A phone that is an hour fast was an hour fast before its reboot, as far as anyone knows."""
    sent = DeviceTime(NOW + timedelta(hours=1), 5, "new")
    event = DeviceTime(NOW - timedelta(hours=2), 5, "old")
    assert estimate(NOW, sent, event).happened == NOW - timedelta(hours=3)


@given(st.none() | MOMENTS, st.none() | MOMENTS, st.none() | MOMENTS)
def test_nothing_happens_after_it_was_received(
    sent_wall: datetime | None, wall: datetime | None, gps: datetime | None
) -> None:
    """Whatever the clocks say."""
    event = DeviceTime(wall, 1, "old", gps)
    assert estimate(NOW, DeviceTime(sent_wall, 1, "new"), event).happened <= NOW


def test_an_undated_event_happened_when_it_was_heard() -> None:
    """And nothing bounds that."""
    made = estimate(NOW, DeviceTime(), DeviceTime())
    assert (made.happened, made.uncertainty_ms) == (NOW, None)


def test_a_clock_that_ran_backwards_bounds_nothing() -> None:
    """A monotonic clock that shows more at the event than at sending is no such clock."""
    made = estimate(NOW, DeviceTime(None, 10, "b"), DeviceTime(None, 20, "b"))
    assert made.uncertainty_ms is None


def test_what_cannot_be_read_is_missing() -> None:
    """Rubbish, absurd years and missing values alike."""
    for text in (None, "", "soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "\0"):
        assert read_wall(text) is None
