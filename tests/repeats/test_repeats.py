"""A fault that repeats is one traceback and then a line a minute."""

import asyncio
import logging

import pytest

from backend.repeats import Repeats
from tests.fixtures.clock import FakeClock

LOG = logging.getLogger("doorstep.test.repeats")


@pytest.fixture
def repeats(clock: FakeClock) -> Repeats:
    """What is under test, on the test's clock."""
    return Repeats(LOG, lambda: clock.now().timestamp())


def refused() -> None:
    """Fail as an outage does."""
    raise ConnectionRefusedError(111, "Connection refused")


def wrapped(number: int) -> None:
    """Fail as a library does that puts the same fault into other words each time."""
    try:
        refused()
    except OSError as error:
        raise RuntimeError(f"statement {number} failed") from error


def fail(repeats: Repeats, work: str, number: int = 0, *, shared: bool = False) -> None:
    """Let some work fail and have it noted."""
    try:
        wrapped(number)
    except RuntimeError as error:
        repeats.note(error, work, shared=shared)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log, and whether they bring a traceback."""
    return [f"{r.getMessage()}{' +' if r.exc_info else ''}" for r in caplog.records]


def test_it_is_told_once_then_counted_then_over(
    repeats: Repeats, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Two minutes of failing each second: a traceback, two lines, and one when it is over."""
    for number in range(121):
        fail(repeats, "seal", number)
        clock.advance(seconds=1)
    clock.advance(seconds=60)
    repeats.tell()
    fault = "seal: ConnectionRefusedError: [Errno 111] Connection refused"
    assert said(caplog) == [
        "seal failed, and is tried again +",
        f"still: {fault}, 60 times more",
        f"still: {fault}, 60 times more",
        f"over: {fault}, 121 times in all",
    ]
    caplog.clear()
    fail(repeats, "seal")
    assert said(caplog) == ["seal failed, and is tried again +"]


def test_an_outage_is_one_fault_for_all_work(
    repeats: Repeats, caplog: pytest.LogCaptureFixture
) -> None:
    """What is shared is told once; what is not, once for each work."""
    for shared, lines in ((True, 1), (False, 3)):
        caplog.clear()
        for work in ("plan", "seal", "lead", "plan"):
            fail(repeats, work, shared=shared)
        assert len(said(caplog)) == lines


def test_another_fault_of_the_same_work_is_told_as_a_whole(
    repeats: Repeats, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither another type nor another place of the same type hides behind the first."""
    fail(repeats, "seal")
    for error in (ValueError("one"), KeyError("two"), asyncio.CancelledError()):
        repeats.note(error, "seal")
    assert [line.endswith("+") for line in said(caplog)] == [True] * 4


def test_a_single_fault_ends_without_a_word(
    repeats: Repeats, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once is told once."""
    fail(repeats, "seal")
    clock.advance(seconds=600)
    repeats.tell()
    assert len(said(caplog)) == 1
