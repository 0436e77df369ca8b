"""The bytes that a mutation's hash and signature are over are those of RFC 8785, whoever writes."""

import json

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from backend.wire.canonical import canonical, is_plain

_FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _FRACTIONS | st.text()
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(_JSON)
def test_whatever_json_holds_is_written_as_the_standard_says(value: object) -> None:
    """Names, numbers and texts of any kind come out as the reference writes them."""
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # JSON by strategy


@given(st.floats(1e-7, 1e17) | st.floats(-1e17, -1e-7) | st.integers(-90, 90).map(float))
def test_fractions_are_written_alike_or_slowly(number: float) -> None:
    """Around every limit of the fast writer the bytes stay the reference's."""
    assert canonical({"lat": number}) == rfc8785.dumps({"lat": number})


_ODD = st.characters(max_codepoint=0x9F) | st.sampled_from("\u2028\u2029\ud7ff\ue000\U0001f69a")


@given(st.text(_ODD))
def test_texts_are_escaped_alike(text: str) -> None:
    """Control characters and line separators are escaped as the standard says."""
    assert canonical([text]) == rfc8785.dumps([text])


@pytest.mark.parametrize(
    "text",
    ['{"n": 1e2}', '{"n": 9007199254740993}', '{"\u20ac": 1}', "[" * 60 + "]" * 60],
)
def test_what_is_not_plain_takes_the_long_way(text: str) -> None:
    """Whole floats, huge integers, foreign names and deep nesting are not written fast."""
    assert not is_plain(msgspec.json.decode(text))


def test_an_ordinary_mutation_is_plain() -> None:
    """What a phone sends all day is written fast."""
    told = {"id": "x", "n": 3, "fix": {"lat": 39.293, "lon": -76.5866, "mock": False}, "at": None}
    assert is_plain(json.loads(json.dumps(told)))
