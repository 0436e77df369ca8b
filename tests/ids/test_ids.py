"""Ids are UUIDv7 that only grow, that no two processes share, and that weigh little together."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest
import zstandard

from backend.ids import IdMaker, new_id

_SECOND = 1_000_000_000
_NOON = 1_763_640_000 * _SECOND


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.ns = _NOON

    def __call__(self) -> int:
        """Tell the time."""
        return self.ns


@pytest.fixture
def clock() -> Clock:
    """It is noon."""
    return Clock()


def _noise(id_: UUID) -> int:
    return id_.int & (1 << 62) - 1


def _ms(id_: UUID) -> int:
    return id_.int >> 80


def test_the_form() -> None:
    """RFC 9562 §5.7: version, variant, and milliseconds that a reader can read."""
    id_ = new_id()
    assert (id_.version, id_.variant) == (7, RFC_4122)
    assert abs(_ms(id_) - _ms(new_id())) < 60_000


def test_they_grow_while_the_clock_stands_still(clock: Clock) -> None:
    """More than the counter holds in one millisecond: it carries over into the next."""
    maker = IdMaker(clock)
    made = [maker.make() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert _ms(made[-1]) - _ms(made[0]) == 10_000 // 4_096


def test_they_grow_while_the_clock_goes_back(clock: Clock) -> None:
    """An hour that comes twice gives no id twice."""
    maker = IdMaker(clock)
    before = [maker.make() for _ in range(3)]
    clock.ns -= 3_600 * _SECOND
    after = [maker.make() for _ in range(3)]
    assert [*before, *after] == sorted({*before, *after})


def test_two_who_start_at_once_never_meet(clock: Clock) -> None:
    """Each draws its own noise, anew every second."""
    first, second = IdMaker(clock), IdMaker(clock)
    drawn = {_noise(maker.make()) for maker in (first, second, first, second)}
    assert len(drawn) == 2
    clock.ns += _SECOND
    assert _noise(first.make()) not in drawn


def test_a_child_does_not_go_on_with_its_parents_noise(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fork both are at the same tick."""
    maker = IdMaker(clock)
    parent, child = maker.make(), os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)
    assert _noise(maker.make()) != _noise(parent)


def test_threads_share_a_maker(clock: Clock) -> None:
    """No two get the same."""
    maker = IdMaker(clock)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: maker.make(), range(4_000)))
    assert len(set(made)) == 4_000


def test_what_was_made_together_weighs_little(clock: Clock) -> None:
    """300 ids of 16 bytes come to less than 5 each where an answer is compressed."""
    maker = IdMaker(clock)
    text = ",".join(str(maker.make()) for _ in range(300)).encode()
    assert len(zstandard.ZstdCompressor(level=3).compress(text)) < 300 * 5
