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
