"""The cursor: short, and ours or nothing."""

import json
from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.store import feed
from sync import cursor
from sync.cursor import Cursor
from sync.pull import held_at

NUMBERS = st.integers(0, 2**63 - 1)


@given(v=NUMBERS, begun=NUMBERS)
@example(v=127, begun=128)
def test_a_cursor_comes_back_as_it_went(v: int, begun: int) -> None:
    """Both numbers, at any size, and whose it is."""
    here = Cursor(uuid4(), "driver:a", v, begun)
    held = cursor.read(cursor.write(here))
    assert held is not None
    assert (held.mark, held.v, held.begun) == (here.mark, v, begun)


def test_a_days_cursor_is_short() -> None:
    """It goes over the air with every call, both ways."""
    assert len(cursor.write(Cursor(uuid4(), feed.driver_scope(uuid4()), 9_999))) <= 15


def test_another_epoch_or_scope_says_nothing() -> None:
    """A phone that comes with one takes a snapshot."""
    here = Cursor(uuid4(), "driver:a", 7)
    for other in (Cursor(uuid4(), "driver:a", 7), Cursor(here.epoch, "driver:b", 7)):
        assert held_at(cursor.write(other), here, 0) is None
    assert held_at(cursor.write(here), here, 0) is not None


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_none(text: str) -> None:
    """Nothing that a phone sends fails."""
    held = cursor.read(text)
    assert held is None or min(held.v, held.begun) >= 0


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_cut_cursor_is_none(cut: int) -> None:
    """A number that does not end is none."""
    whole = cursor.write(Cursor(uuid4(), "driver:a", 2**60, 2**61))
    assert cursor.read(whole[:-cut]) is None


def test_a_cursor_of_the_first_shape_is_none() -> None:
    """It was JSON; phones that hold one take a snapshot once."""
    old = json.dumps([1, str(uuid4()), "driver:a", 7, 0]).encode()
    assert cursor.read(urlsafe_b64encode(old).decode().rstrip("=")) is None
