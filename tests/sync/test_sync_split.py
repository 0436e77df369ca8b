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


@given(
    value=st.dictionaries(st.text(), JSON, max_size=5),
    escaped=st.booleans(),
    strictly=st.booleans(),
)
def test_members_are_those_a_parser_sees(
    *, value: dict[str, object], escaped: bool, strictly: bool
) -> None:
    """On sound JSON the members are the object's, however its keys are written."""
    raw = json.dumps(value, ensure_ascii=escaped).encode()
    pieces = {
        key.decode(): json.loads(piece) for key, piece in members(raw, strictly=strictly).items()
    }
    assert pieces == value


def test_keys_are_compared_as_they_read() -> None:
    """Escaped or not; one that cannot be read is nobody's, and hides nothing."""
    assert members(b'{"\\u006e": 1, "\\ud800": 2, "n\\u0000": 3}') == {
        b"n": b"1",
        b'"\\ud800"': b"2",
        b"n\0": b"3",
    }


@pytest.mark.parametrize("raw", [b"[,]", b"[1,]", b"[,1]", b"[1,,2]", b"[1, \n]"])
def test_there_is_no_element_where_nothing_stands(raw: bytes) -> None:
    """A comma too many is broken JSON, not one mutation more."""
    with pytest.raises(Unbalanced):
        items(raw)


BROKEN_OBJECTS = [
    b'{"n":}', b'{"n":1,}', b"{,}", b'{,"n":1}', b'{"n"}', b"{n:1}", b"{1:1}", b'{"n":1 "m":2}',
    b'{"n":1:2}', b'{"m" "n":1}', b'{"n":1,"m"}', b'{"n":{} {}}', b"{[]:1}",
]  # fmt: skip


@pytest.mark.parametrize("raw", BROKEN_OBJECTS)
def test_an_object_is_read_strictly_where_its_members_are_to_be_whole(raw: bytes) -> None:
    """A comma or a quote too few would hide one member in another."""
    with pytest.raises(Unbalanced):
        members(raw, strictly=True)
    members(raw)  # of a broken mutation all is told that can be
    with pytest.raises(ValueError, match="."):
        json.loads(raw)


def test_only_what_json_calls_space_is_cut_off() -> None:
    """A vertical tab makes its element unreadable, and only that one."""
    assert items(b"[ \x0b1\x0c , 2\t]") == [b"\x0b1\x0c", b"2"]


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
