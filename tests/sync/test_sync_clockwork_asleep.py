"""A monotonic clock that stands still while its phone sleeps: wide bounds, never false ones."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.clocks import Clocks, Exchange, read, write
from sync.clockwork import Echo, Estimate
from sync.shown import DeviceTime

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def at(ran: timedelta) -> DeviceTime:
    """What the phone showed when it had run for so long."""
    return DeviceTime(None, ran / timedelta(milliseconds=1), "b")


def holds(made: Estimate, truth: datetime) -> bool:
    """Whether the truth lies within what was told."""
    assert made.bounded
    assert made.uncertainty_ms is not None
    return abs(made.happened - truth) <= timedelta(milliseconds=made.uncertainty_ms)


def heard(received: datetime, ran: timedelta, last_n: int | None, *, echo: Echo | None) -> Exchange:
    """A call of the boot."""
    return Exchange(received, at(ran), last_n, echo)


def echo_of(told: datetime, ran: timedelta, *, echoes: bool) -> Echo | None:
    """What the phone heard of us, if it says so."""
    return Echo(told, ran / timedelta(milliseconds=1)) if echoes else None


@pytest.mark.parametrize("echoes", [False, True])
@pytest.mark.parametrize("slept", [9 * MINUTE, 2 * HOUR])
def test_asking_before_telling_hides_no_sleep(*, slept: timedelta, echoes: bool) -> None:
    """All told at nine, an act ten minutes later, then asleep; it asks before it tells."""
    nine = NOW - 3 * HOUR
    known = Clocks().after(heard(nine, timedelta(), 0, echo=None))
    woken, ran = nine + HOUR + slept, HOUR
    asked = heard(woken, ran, None, echo=echo_of(nine, timedelta(), echoes=echoes))
    known = read(write(known.after(asked)))
    telling = heard(
        woken + 5 * SECOND, ran + 5 * SECOND, 1, echo=echo_of(woken, ran, echoes=echoes)
    )
    made, _ = known.date(at(10 * MINUTE), 1, telling)
    assert holds(made, nine + 10 * MINUTE)


@pytest.mark.parametrize("echoes", [False, True])
def test_a_sleep_before_the_act_is_within_the_bound_too(*, echoes: bool) -> None:
    """Nobody can say on which side of the act it slept."""
    nine = NOW - 3 * HOUR
    known = Clocks().after(heard(nine, timedelta(), 0, echo=None))
    made, _ = known.date(
        at(10 * MINUTE), 1, heard(NOW, HOUR, 1, echo=echo_of(nine, timedelta(), echoes=echoes))
    )
    assert holds(made, nine + 10 * MINUTE)
    assert holds(made, NOW - 50 * MINUTE)


@pytest.mark.parametrize("echoes", [False, True])
def test_the_last_of_many_acts_is_bounded_like_the_first(*, echoes: bool) -> None:
    """They come in several calls of several chunks; each knows of the call before the first act."""
    nine = NOW - 3 * HOUR
    known = Clocks().after(heard(nine, timedelta(), 0, echo=None))
    acts = [(n, n * 10 * SECOND) for n in range(1, 7)]
    received, ran, last = NOW, HOUR, echo_of(nine, timedelta(), echoes=echoes)
    for call in (acts[:4], acts[4:]):
        during = heard(received, ran, None if call[0][0] == 1 else 6, echo=last)
        for chunk in (call[:2], call[2:]):
            for n, done in chunk:
                made, known = known.date(at(done), n, during)
                assert holds(made, nine + done)
            known = read(write(known.after(during)))
        last = echo_of(received, ran, echoes=echoes)
        received, ran = received + SECOND, ran + SECOND


def test_a_boot_id_that_is_used_again_forgets_where_all_was_told() -> None:
    """Its clock began anew: what the former one showed bounds nothing."""
    known = Clocks().after(heard(NOW - 3 * HOUR, 9 * HOUR, 0, echo=None))
    known = known.after(heard(NOW - HOUR, MINUTE, None, echo=None))
    assert known.marks[0].anchor is None
    made, _ = known.date(at(31 * MINUTE), 1, heard(NOW, HOUR + MINUTE, 1, echo=None))
    assert holds(made, NOW - HOUR / 2)


def test_a_sleep_that_was_seen_counts_for_what_another_boot_tells() -> None:
    """Woken, heard, switched off: the last anchor of the boot says more than that of its mark."""
    nine = NOW - 3 * HOUR
    known = Clocks().after(heard(nine, timedelta(), 0, echo=None))
    known = known.after(heard(nine + 2 * HOUR, 10 * MINUTE, None, echo=None))
    told_by = Exchange(NOW, DeviceTime(None, 5, "new"), 1)
    made, _ = known.date(at(20 * MINUTE), 1, told_by)
    assert holds(made, nine + 2 * HOUR + 10 * MINUTE)
    assert made.happened == nine + 2 * HOUR + 10 * MINUTE


def test_one_slow_reply_is_forgotten_by_the_next_quick_call() -> None:
    """It does not sleep; all was told at each of four calls, and the rest by another boot."""
    known, last = Clocks(), None
    for ran_s, slow in ((0, 0), (400, 100), (500, 0), (600, 0)):
        ran = ran_s * SECOND
        known = read(write(known.after(heard(NOW + ran, ran, 0, echo=last))))
        last = echo_of(NOW + ran, ran + slow * SECOND, echoes=True)
    told_by = Exchange(NOW + 1200 * SECOND, DeviceTime(None, 60_000, "new"), 1)
    made, _ = known.date(at(900 * SECOND), 1, told_by)
    assert holds(made, NOW + 900 * SECOND)
    assert (made.uncertainty_ms or 0) < 500


def test_the_second_call_of_a_drain_knows_what_was_heard_before_the_first() -> None:
    """The first call of a boot can echo nothing; the next one's echo holds for the rest as well."""
    known = Clocks().after(heard(NOW, timedelta(), 0, echo=None))
    first = heard(NOW + 600 * SECOND, 600 * SECOND, None, echo=Echo(NOW, 200.0))
    _, known = known.date(at(300 * SECOND), 1, first)
    known = read(write(known.after(first)))
    second = heard(NOW + 601 * SECOND, 601 * SECOND, 2, echo=Echo(NOW + 600 * SECOND, 600_200.0))
    made, _ = known.date(at(310 * SECOND), 2, second)
    assert holds(made, NOW + 310 * SECOND)
    assert (made.uncertainty_ms or 0) < 500
