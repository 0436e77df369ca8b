"""Canonical bytes, commitments, keys and notes: what the log writes is what the verifier reads."""

import json
from typing import cast

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backend.audit import verify as v
from backend.audit.checkpoint import signer
from backend.audit.entry import ActorRef, Entry, Value, canonical
from tests.audit.bundles import uuid

ENTRY = Entry(
    id=uuid(1),
    n=1,
    entity="stop",
    entity_id=uuid(2),
    action="stop.delivered",
    actor=ActorRef("driver", uuid(3), uuid(4)),
    at="2026-11-20T09:30:00.000Z",
    occurred="2026-11-20T08:00:00.000Z",
    cause="mutation " + uuid(5),
    change={"state": ["arrived", "delivered"]},
    evidence=("a" * 64,),
)

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_both_writers_of_canonical_json_agree(value: Value) -> None:
    """The verifier's canonical form is the library's RFC 8785, also beyond U+FFFF."""
    data = rfc8785.dumps(value)
    assert v.canonical(value) == data
    assert v.read_canonical(data) == value


@given(VALUES)
def test_other_spellings_are_refused(value: Value) -> None:
    """White space, escapes and Python's own spelling of the same value are not canonical."""
    data = v.canonical(value)
    for other in (b" " + data, data + b"\n", json.dumps(value, indent=1).encode()):
        if other != data:
            with pytest.raises(ValueError, match=r".+"):
                v.read_canonical(other)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{"\xf0\x9f\x93\xa6":1,"\xef\xac\xb3":2,"a":0}',
        b"1.0",
        b"1e3",
        b"-0",
        b"01",
        b"9007199254740992",
        b"-9007199254740992",
        b"NaN",
        b"Infinity",
        b'"\\u0041"',
        b'"\\/"',
        b'"\\u001F"',
        b'"\t"',
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b"",
        b"{",
        b"[" * 5000,
    ],
)
def test_strictness(text: bytes) -> None:
    """Each second way to write something, and everything outside the value restrictions."""
    with pytest.raises(ValueError, match=r".+"):
        v.read_canonical(text)


def test_golden_entry() -> None:
    """These bytes are a promise to auditors; they never change for version 1."""
    assert canonical(ENTRY) == (
        b'{"action":"stop.delivered","actor":{"device":"00000000-0000-0000-0000-000000000004",'
        b'"id":"00000000-0000-0000-0000-000000000003","type":"driver"},'
        b'"at":"2026-11-20T09:30:00.000Z","cause":"mutation 00000000-0000-0000-0000-000000000005",'
        b'"change":{"state":["arrived","delivered"]},"entity":"stop",'
        b'"entity_id":"00000000-0000-0000-0000-000000000002","evidence":["' + b"a" * 64 + b'"],'
        b'"id":"00000000-0000-0000-0000-000000000001","n":1,'
        b'"occurred":"2026-11-20T08:00:00.000Z","pii":{},"prev":null,"v":1}'
    )
    assert v.leaf_hash(canonical(ENTRY)).hex() == (
        "cf0f16f7cb212f74c702588bb3d928307f3a81cfecb3fa58c0d07d9597a54ab7"
    )


@pytest.mark.parametrize(
    "changed",
    [
        replace(ENTRY, n=0),
        replace(ENTRY, n=2**53),
        replace(ENTRY, at="2026-11-20 09:30"),
        replace(ENTRY, action="delivered"),
        replace(ENTRY, actor=ActorRef("robot", "1")),
        replace(ENTRY, pii={"name": "Zoe"}),
        replace(ENTRY, evidence=("x",)),
        replace(ENTRY, prev="x"),
        replace(ENTRY, change={"lat": cast("list[Value]", [1.5, 2.5])}),
        replace(ENTRY, change={"note": [None, "\ud800"]}),
        replace(ENTRY, change={"note": [None, "x" * v.LINE_LIMIT]}),
    ],
)
def test_what_the_verifier_would_refuse_is_never_sealed(changed: Entry) -> None:
    """An entry that could not be verified later is refused when it is made."""
    with pytest.raises(ValueError, match=r".+"):
        canonical(changed)


@given(VALUES)
def test_an_entry_written_fast_reads_back_as_the_verifier_reads(value: Value) -> None:
    """Whatever an entry holds, its bytes are the ones that the verifier insists on."""
    sealed = canonical(replace(ENTRY, change={"field": [None, value]}))
    assert v.read_entry(sealed)["change"]["field"][1] == value


def test_commitment_opens_only_with_salt_and_value() -> None:
    """A commitment is an HMAC: another salt or value gives another one."""
    salt = b"0123456789abcdef"
    made = v.commitment(salt, "Zoë")
    assert made == "c1:9261a0845cecbbfbaa1b4fe3948d77ba65982eb7728225acaa701e5d72c58d9d"
    assert made not in {v.commitment(salt, "Zoe"), v.commitment(salt[::-1], "Zoë")}


def test_a_known_verifier_key() -> None:
    """The key that the Go implementation's documentation prints reads and writes back the same."""
    text = b"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n"
    assert v.read_key(text).text.encode() == text


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\x7f", "\u2028"])
def test_names_that_cannot_name_a_log(name: str) -> None:
    """Spaces, plus and invisible characters would break the line grammar."""
    with pytest.raises(ValueError, match="cannot name a log"):
        signer(name, b"\0" * 32)


def test_signing_is_deterministic_and_reads_back() -> None:
    """A note is three lines, an empty one and a signature; it reads back as what was signed."""
    log = signer("doorstep.example/log", b"\7" * 32)
    note = log.sign(0, v.EMPTY_ROOT)
    assert note == log.sign(0, v.EMPTY_ROOT)
    assert v.read_checkpoint(note.encode(), log.key) == v.Checkpoint(log.key.name, 0, v.EMPTY_ROOT)
    assert "7" * 8 not in repr(log)
