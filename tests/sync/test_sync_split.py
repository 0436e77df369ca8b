"""Taking JSON apart without trusting it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.split import Unbalanced, items, members

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 1]))
def test_items_are_those_a_parser_sees(values: list[object], indent: int | None) -> None:
    """On sound JSON the pieces are the array's elements, however it is laid out."""
    raw = json.dumps(values, indent=indent).encode()
    assert [json.loads(piece) for piece in items(raw)] == values


@given(st.dictionaries(st.text("abc", min_size=1), JSON, max_size=5))
def test_members_are_those_a_parser_sees(value: dict[str, object]) -> None:
    """On sound JSON the members are the object's."""
    raw = json.dumps(value).encode()
    pieces = {key.decode(): json.loads(piece) for key, piece in members(raw).items()}
    assert pieces == value


def test_the_last_of_two_equal_keys_counts() -> None:
    """As every parser has it, and as the content hash has it."""
    assert members(b'{"n": 1, "n": 2}') == {b"n": b"2"}


@pytest.mark.parametrize("depth", [10, 100_000])
def test_depth_costs_no_stack(depth: int) -> None:
    """A hundred thousand brackets in one element leave its neighbour readable."""
    deep = b"[" * depth + b"]" * depth
    assert items(b"[" + deep + b",7]") == [deep, b"7"]


@pytest.mark.parametrize(
    "raw", [b"", b"   ", b"7", b"[", b"[1", b"]", b"[1]]", b"[1] 2", b'["a]', b"[{]}", b"{}"]
)
def test_unbalanced_text_is_refused(raw: bytes) -> None:
    """Where brackets or quotes do not match there is no telling where a piece ends."""
    with pytest.raises(Unbalanced):
        items(raw)


@given(st.binary(max_size=200))
def test_rubbish_never_does_more_than_refuse(raw: bytes) -> None:
    """Any bytes either come apart or are refused."""
    for take in (items, members):
        try:
            take(raw)
        except Unbalanced:
            continue
