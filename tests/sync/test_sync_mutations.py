"""Reading one mutation: content hash, number, id, kind, body."""

import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.kinds import Kind, about
from sync.mutations import Fault, Mutation, hear
from sync.words import BODIES, Delivered

ID = "0199c000-0000-7000-8000-000000000001"


def raw(**members: object) -> bytes:
    """A noted mutation with some members of its own."""
    base: dict[str, Any] = {
        "id": ID,
        "n": 1,
        "kind": "stop.noted",
        "stop_id": ID,
        "body": {"text": "hello"},
    }
    return json.dumps({**base, **members}).encode()


def test_content_is_what_rfc_8785_says() -> None:
    """Order, white space and the spelling of numbers make no other content."""
    one = hear(b'{"id":"%s","n":1,"x":1.0}' % ID.encode())
    other = hear(b'{ "x": 1, "n": 1e0, "id": "%s" }' % ID.encode())
    assert one.hash == other.hash


def test_of_duplicate_keys_the_last_counts() -> None:
    """Both for the content and for the number."""
    one = hear(b'{"n":9,"id":"%s","n":2}' % ID.encode())
    assert one.n == 2
    assert one.hash == hear(b'{"id":"%s","n":2}' % ID.encode()).hash


@pytest.mark.parametrize("n", [0, -1, 2**53, 1.0, "1", True, None, [], 10**400])
def test_a_number_is_an_integer_from_1(n: object) -> None:
    """Anything else is no number and takes none."""
    heard = hear(raw(n=n))
    assert heard.n is None
    assert isinstance(heard.read, Fault)


def test_the_largest_number_counts() -> None:
    """2^53-1 is the last one a double can count to."""
    assert hear(raw(n=2**53 - 1)).n == 2**53 - 1


@pytest.mark.parametrize(
    "inside", [b'"x":"\\ud800"', b'"x":1e999', b'"x":"\xff"', b'"x":' + b"[" * 5000 + b"]" * 5000]
)
def test_number_and_id_are_read_from_what_is_broken_elsewhere(inside: bytes) -> None:
    """An unreadable member costs the mutation its effect, never its number."""
    heard = hear(b'{"id":"%s","n":7,%s}' % (ID.encode(), inside))
    assert (heard.n, heard.echo) == (7, ID)
    assert isinstance(heard.read, Fault)


def test_an_unknown_kind_is_held_for_an_upgrade() -> None:
    """Kinds and versions of tomorrow are kept, not refused."""
    for members in ({"kind": "stop.levitated"}, {"kind_version": 2}):
        read = hear(raw(**members)).read
        assert isinstance(read, Fault)
        assert (read.code, read.held) == ("unknown_kind", True)


def test_unknown_members_are_ignored() -> None:
    """What a newer app adds does not harm."""
    assert isinstance(hear(raw(mood="good", evidence=[])).read, Mutation)


def test_every_kind_has_a_body_and_a_subject() -> None:
    """The vocabulary is total."""
    assert {kind for kind, _ in BODIES} == set(Kind)
    assert all(about(kind) for kind in Kind)


@pytest.mark.parametrize(
    "body",
    [
        {"text": "x" * 1001},
        {"text": "a\0b"},
        {"text": 7},
        {},
        [],
        None,
    ],
)
def test_a_body_out_of_bounds_is_malformed(body: object) -> None:
    """Free text has an end, and no NUL."""
    read = hear(raw(body=body)).read
    assert isinstance(read, Fault)
    assert read.code == "malformed"


RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(Kind)),
    st.dictionaries(
        st.sampled_from(
            ["id", "n", "stop_id", "route_id", "base", "at", "fix", "evidence", "body", "sig"]
        ),
        RUBBISH,
    ),
)
def test_no_field_of_any_kind_can_break_the_reader(kind: str, members: dict[str, object]) -> None:
    """Whatever stands in whichever field, the answer is a mutation or a fault."""
    heard = hear(json.dumps({"id": str(uuid4()), "n": 1, "kind": kind, **members}).encode())
    assert isinstance(heard.read, Mutation | Fault)


def test_free_text_may_be_long_wherever_it_stands() -> None:
    """Names and reasons are free text as notes are: a thousand characters, and not one more."""
    for length, ok in ((1000, True), (1001, False)):
        name = {"method": "handed_over", "parcels": [], "recipient": {"name": "n" * length}}
        becomes = {"kind": "stop.failed", "body": {}}
        mend = {"corrects": ID, "reason": "r" * length, "becomes": becomes}
        for kind, body in (
            ("stop.delivered", name),
            ("stop.corrected", mend),
            ("stop.skipped", {"reason": "r" * length}),
        ):
            assert isinstance(hear(raw(kind=kind, body=body)).read, Mutation) is ok


def test_a_hash_is_hex_in_either_case() -> None:
    """What names a file is kept in one spelling, so that it meets its upload."""
    digest = "AB" * 32
    body = {"method": "handed_over", "parcels": [], "signature": {"sha256": digest}}
    named = [{"sha256": digest, "kind": "photo"}]
    read = hear(raw(kind="stop.delivered", body=body, evidence=named)).read
    assert isinstance(read, Mutation)
    assert read.frame.evidence[0].sha256 == digest.lower()
    assert isinstance(read.body, Delivered)
    assert read.body.signature is not None
    assert read.body.signature.sha256 == digest.lower()


@pytest.mark.parametrize(
    ("members", "at"),
    [
        ({"body": {"text": 5}}, "`$.body.text`"),
        ({"body": 5}, "`$.body`"),
        ({"body": {}}, "`$.body`"),
        ({"kind": "stop.delivered", "body": {"method": "handed_over", "parcels": [1]}},
         "`$.body.parcels[0]`"),
        ({"kind": "code.presented", "body": {}}, "`$.body`"),
        ({"kind": "device.lost_events", "body": {"from_n": 2, "to_n": 1}}, "`$.body`"),
        ({"fix": {"lat": 99, "lon": 0}}, "`$.fix.lat`"),
        ({"stop_id": "x"}, "`$.stop_id`"),
        ({"stop_id": None}, "`$.stop_id`"),
        ({"id": "x"}, "`$.id`"),
    ],
)  # fmt: skip
def test_a_fault_is_told_from_the_mutation_on(members: dict[str, object], at: str) -> None:
    """Whoever looks for it starts at the mutation that he sent, not at its body."""
    read = hear(raw(**members)).read
    assert isinstance(read, Fault)
    assert (read.code, read.detail.partition(" - at ")[2]) == ("malformed", at)
