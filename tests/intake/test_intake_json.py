import json

import pytest

from backend.intake.json_rows import JsonListExpected, JsonRows
from backend.intake.records import Record
from backend.wire.json import JsonBroken


def element(reference: str = "A", **members: object) -> dict[str, object]:
    """One good element, with what a test wants otherwise."""
    return {
        "reference": reference,
        "recipient": {"name": "Ann Lee"},
        "address": {"lines": ["1 High Street"], "city": "Leeds", "country": "GB"},
        "parcels": [{"barcode": "1", "weight_kg": 1, "volume_dm3": 2.5, "handling": []}],
        **members,
    }


def read(raw: bytes | object) -> list[tuple[Record, ...]]:
    """Read a whole document."""
    return list(JsonRows(raw if isinstance(raw, bytes) else json.dumps(raw).encode()))


def test_a_bad_element_does_not_stop_the_others() -> None:
    """Its pointer starts with its index, and it has no line."""
    bad = element("B")
    bad["parcels"] = [{"barcode": "1", "weight_kg": "heavy", "volume_dm3": 1}]
    found = read([element("A"), bad, element("C"), 7])
    notes = [note for group in found for record in group for note in record.faults]
    assert [(n.line, n.pointer, n.code) for n in notes] == [
        (None, "/1/parcels/0/weight_kg", "wrong_type"),
        (None, "/3", "wrong_type"),
    ]
    assert sum(1 for group in found if group[0].value is not None) == 2


def test_a_missing_member_is_named() -> None:
    """The pointer leads to where it should have stood."""
    [[record]] = read([element(recipient={"phone": "1"})])
    assert [(n.pointer, n.code) for n in record.faults] == [("/0/recipient/name", "missing")]


@pytest.mark.parametrize("poison", [b'"\\ud800"', b'"\xff\xfe"', b"NaN", b"1e999", b"tru"])
def test_broken_text_inside_one_element_fails_that_element(poison: bytes) -> None:
    """A lone surrogate or bytes that are not UTF-8 do not condemn the list."""
    good = json.dumps(element("A")).encode()
    bad = json.dumps(element("B", value="@")).encode().replace(b'"@"', poison)
    found = read(b"[" + good + b", " + bad + b" ," + good.replace(b'"A"', b'"C"') + b"]")
    assert [group[0].value is not None for group in found] == [True, False, True]


@pytest.mark.parametrize(
    "raw", [b"", b"{nope", b'[{"reference": "A"', b"[" * 100_000, b"[]]", b"\xff"]
)
def test_what_is_no_json_is_refused_as_a_whole(raw: bytes) -> None:
    """Without closing brackets nothing can be told apart."""
    with pytest.raises((JsonBroken, JsonListExpected)):
        read(raw)


def test_absurd_depth_inside_one_element_fails_that_element() -> None:
    """However deep one element is, the others go in."""
    deep = b"[" * 100_000 + b"]" * 100_000
    bad = json.dumps(element("B", value="@")).encode().replace(b'"@"', deep)
    found = read(b"[" + bad + b"," + json.dumps(element("A")).encode() + b"]")
    assert [n.pointer for n in found[0][0].faults] == ["/0/value"]
    assert found[1][0].value is not None


def test_an_object_is_no_list() -> None:
    """The body is a list, also for one consignment."""
    with pytest.raises(JsonListExpected):
        read(element())


def test_elements_of_one_reference_come_together() -> None:
    """Two elements of a reference are two parcels of one consignment."""
    assert [len(group) for group in read([element("A"), element("B"), element("A")])] == [2, 1]


def test_members_nobody_reads_are_told() -> None:
    """A misspelt member does not vanish silently."""
    [[record]] = read([element(instruction="ring")])
    assert [(n.pointer, n.code) for n in record.warnings] == [("/0/instruction", "unknown_member")]
