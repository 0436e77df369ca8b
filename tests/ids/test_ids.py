"""Ids are UUIDv7 that only grow, that no two processes share, and that weigh little together."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest
import zstandard

from backend.ids import IdMaker, new_id

_SECOND = 1_000_000_000
_HOUR = 3_600 * _SECOND
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


def test_the_form(clock: Clock) -> None:
    """RFC 9562 §5.7: version, variant, and milliseconds since 1970."""
    id_ = IdMaker(clock).make()
    assert (id_.version, id_.variant) == (7, RFC_4122)
    assert _ms(id_) == 1_763_640_000_000
    assert new_id().version == 7


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
    clock.ns -= _HOUR
    after = [maker.make() for _ in range(3)]
    assert [*before, *after] == sorted({*before, *after})


def test_two_who_start_at_once_never_meet(clock: Clock) -> None:
    """Each draws its own noise, anew every hour, whatever time its ids have got to by then."""
    first, second = IdMaker(clock), IdMaker(clock)
    drawn = {_noise(maker.make()) for maker in (first, second, first, second)}
    assert len(drawn) == 2
    for hours in (1, -5):
        clock.ns += hours * _HOUR
        noise = _noise(first.make())
        assert noise not in drawn
        drawn.add(noise)


_FORK = """
import os
from backend.ids import maker, new_id
new_id()
maker._lock.acquire()
child = os.fork()
if child:
    maker._lock.release()
    os.waitpid(child, 0)
print(new_id(), flush=True)
os._exit(0)
"""


def test_a_child_does_not_go_on_with_its_parents_noise() -> None:
    """After a fork both are at the same tick; and a lock that somebody held is nobody's there."""
    said = subprocess.run(
        [sys.executable, "-c", _FORK], capture_output=True, text=True, check=True, timeout=30
    )
    child, parent = (UUID(line) for line in said.stdout.split())
    assert _noise(child) != _noise(parent)


def test_threads_share_a_maker(clock: Clock) -> None:
    """No two get the same."""
    maker = IdMaker(clock)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: maker.make(), range(4_000)))
    assert len(set(made)) == 4_000


@pytest.mark.parametrize("apart_s", [0, 20])
def test_what_was_made_on_one_day_weighs_little(clock: Clock, apart_s: int) -> None:
    """300 ids of 16 bytes come to less than 7 each where an answer is compressed."""
    maker, made = IdMaker(clock), []
    for _ in range(300):
        clock.ns += apart_s * _SECOND
        made.append(str(maker.make()))
    assert len(zstandard.ZstdCompressor(level=9).compress(",".join(made).encode())) < 300 * 7
