"""What can fail a sync request as a whole, and what cannot."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.envelope import Client, EnvelopeInvalid, open_envelope

BROKEN = b'{"n":1,"text":"\\ud800"}'
SPACE = st.sampled_from(["", " ", "\n", "\t\r\n "])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**64) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"', b'"\\x"'])
def test_text_that_nobody_can_read_is_a_foreign_cursor(text: bytes) -> None:
    """It is of the right type, so it asks for a snapshot instead of failing the mutations."""
    opened = open_envelope(b'{"cursor":%s,"mutations":[{"n":1}]}' % text)
    assert (opened.cursor, opened.mutations) == ("", (b'{"n":1}',))


@pytest.mark.parametrize("text", [b"7", b"{}", b'"a" 5', b"nul", b'"a""b"'])
def test_a_cursor_of_another_type_fails(text: bytes) -> None:
    """As does what is no value at all."""
    with pytest.raises(EnvelopeInvalid):
        open_envelope(b'{"cursor":%s}' % text)
    with pytest.raises(EnvelopeInvalid) as caught:
        open_envelope(b'{"cursor":%s,"mutations":[%s]}' % (text, BROKEN))
    assert [fault.pointer for fault in caught.value.errors] in (["/cursor"], [""])


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (b'{"cursor":1}', "/cursor", "wrong_type"),
        (b'{"pull":"yes"}', "/pull", "wrong_type"),
        (b'{"mutations":{}}', "/mutations", "wrong_type"),
        (b"[]", "", "malformed"),
        (b"", "", "malformed"),
        (b'{"cursor":1,"mutations":["\\ud800"]}', "/cursor", "wrong_type"),
        (b'{"pull":0,"mutations":["\\ud800"]}', "/pull", "wrong_type"),
        (b'{"mutations":7,"client":"\\ud800"}', "/mutations", "wrong_type"),
        (b'{"mutations":["\\ud800",]}', "/mutations", "malformed"),
        (b'{"mutations":[1],}', "", "malformed"),
    ],
)
def test_a_refusal_points_at_what_is_wrong(raw: bytes, pointer: str, code: str) -> None:
    """Whether the quick reader found it or the slow one."""
    with pytest.raises(EnvelopeInvalid) as caught:
        open_envelope(raw)
    assert [(fault.pointer, fault.code) for fault in caught.value.errors] == [(pointer, code)]


@pytest.mark.parametrize("key", [b"mutations", b"mut\\u0061tions", b"\\u006dutations"])
@pytest.mark.parametrize("element", [b'{"n":1}', BROKEN, b"1e999", b"\x0b1"])
def test_no_mutation_hides_behind_how_its_key_is_written(key: bytes, element: bytes) -> None:
    """One that is broken inside has its place all the same."""
    raw = b'{"%s":[{"n":2},%s]}' % (key, element)
    assert open_envelope(raw).mutations == (b'{"n":2}', element)


@pytest.mark.parametrize("element", [b'{"n":1}', BROKEN])
def test_the_last_of_two_batches_counts(element: bytes) -> None:
    """However the two keys are written, and whichever of them is broken inside."""
    raw = b'{"mutations":[7,%s],"mut\\u0061tions":[%s]}'
    assert open_envelope(raw % (element, b"8")).mutations == (b"8",)
    assert open_envelope(raw % (b"8", element)).mutations == (element,)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"mutations":[%s,]}', b'{"mutations":[,%s]}', b'{"mutations":[%s,,1]}',
        b'{"mutations":[%s]} x', b'{"mutations":[%s]}{}', b'{"mutations":[%s]}]',
        b'\xef\xbb\xbf{"mutations":[%s]}', b'\x0b{"mutations":[%s]}', b'{"mutations":[%s]}\0',
        b'{"mutations":[%s],}', b'{,"mutations":[%s]}', b'{"mutations":[%s],"x"}',
        b"{mutations:[%s]}", b'{"x":1 "mutations":[%s]}', b'{"client":,"mutations":[%s]}',
        b'{"mutations":[%s] 5}', b'{"mutations" "x":[%s]}', b'{"mutations"::[%s]}',
        b'[{"mutations":[%s]}]', b'{"mutations":[%s]', b'{"mutations":%s}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("element", [b'{"n":1}', BROKEN])
def test_an_envelope_that_is_broken_itself_is_refused(frame: bytes, element: bytes) -> None:
    """Nobody can tell how many mutations there were, so none is answered for."""
    with pytest.raises(EnvelopeInvalid):
        open_envelope(frame % element)


@given(
    batch=st.lists(JSON, max_size=4),
    cursor=st.none() | st.text(),
    pull=st.booleans(),
    more=st.dictionaries(st.text(), JSON, max_size=3),
    space=SPACE,
    escaped=st.booleans(),
)
def test_one_broken_mutation_changes_nothing_for_the_others(
    *,
    batch: list[object],
    cursor: str | None,
    pull: bool,
    more: dict[str, object],
    space: str,
    escaped: bool,
) -> None:
    """The slow reader sees what the quick one sees, whatever the layout."""
    mark = "the broken one"
    sound = {**more, "cursor": cursor, "pull": pull, "mutations": [*batch, mark]}
    separators = (f"{space},{space}", f"{space}:{space}")
    raw = json.dumps(sound, ensure_ascii=escaped, separators=separators).encode()
    *before, last = raw.rpartition(json.dumps(mark).encode())
    quick = open_envelope(raw)
    slow = open_envelope(b"".join([before[0], BROKEN, last]))
    assert (slow.cursor, slow.pull) == (quick.cursor, quick.pull) == (cursor, pull)
    assert slow.mutations == (*quick.mutations[:-1], BROKEN)
    assert [msgspec.json.decode(each) for each in quick.mutations[:-1]] == batch


GOOD_CLIENT = {
    "app_version": b'"1.4.0"',
    "wall": b'"2026-11-20T09:30:00.123Z"',
    "monotonic_ms": b"8123456",
    "boot": b'"b1"',
    "pending": b"3",
    "oldest_pending_at": b'"2026-11-20T07:10:00.000Z"',
    "heard": b'{"server_time":"2026-11-20T09:29:00.000Z","monotonic_ms":8063456}',
}
BAD_CLIENT = {
    "app_version": [b"5", b"null", b'"\\u0000"', b"{}"],
    "wall": [b"5", b"[]", b'"' + b"9" * 41 + b'"', b'"\\ud800"'],
    "monotonic_ms": [b'"soon"', b"1e999", b"NaN"],
    "boot": [b"7", b'"' + b"b" * 201 + b'"'],
    "pending": [b"-1", b"1.5", b'"3"', b"2147483648", b"9" * 4000],
    "oldest_pending_at": [b"false"],
    "battery": [b"1e999", b'"\\ud800"', b"[" * 2000 + b"]" * 2000],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, bad in BAD_CLIENT.items() for value in bad]
)
def test_a_bad_member_of_client_costs_only_itself(name: str, value: bytes) -> None:
    """What the phone says of itself is read member by member, above all its clocks."""
    told = {**GOOD_CLIENT, name: value}
    raw = b",".join(b'"%s":%s' % (key.encode(), said) for key, said in told.items())
    client = open_envelope(b'{"client":{%s}}' % raw).client
    good = msgspec.structs.asdict(_client(GOOD_CLIENT))
    if name in good:
        good[name] = None
    assert msgspec.structs.asdict(client) == good


@pytest.mark.parametrize("said", [b"5", b"[]", b'"\\ud800"', b"null", b'{"pending" 1}'])
def test_a_client_that_is_none_says_nothing(said: bytes) -> None:
    """And fails nothing."""
    assert open_envelope(b'{"client":%s}' % said).client.pending is None


def _client(told: dict[str, bytes]) -> Client:
    members = b",".join(b'"%s":%s' % (key.encode(), said) for key, said in told.items())
    return msgspec.json.decode(b"{%s}" % members, type=Client)
