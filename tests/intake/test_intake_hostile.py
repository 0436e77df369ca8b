"""Whatever bytes come, intake answers with notes or a refusal, never with another exception."""

import io
import json
from contextlib import suppress

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.intake.cleanse import cleanse
from backend.intake.csv_rows import CsvHeaderInvalid, CsvRows
from backend.intake.csv_value import COLUMNS
from backend.intake.json_rows import JsonListExpected, JsonRows
from backend.intake.notes import one_per_record
from backend.intake.records import ConsignmentIn, Group, TooManyRecords
from backend.wire.json import JsonBroken

HEADER = ",".join(COLUMNS).encode() + b"\n"
ROW = (
    "R-1,,express,C-1,12.50,ANN LEE,07400 123456,a@b.example,1 High Street,,LS1 1UR,LEEDS,GB,53.8,"
    '-1.5,09:00,17:00,B-1,goods,1.5,3,fragile;cold,"ring ""twice""\nplease"\n'
)
REFUSALS = (CsvHeaderInvalid, JsonBroken, JsonListExpected, TooManyRecords)
bits = st.sampled_from(
    [b'"', b",", b"\n", b"\r\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"1e400", b"nan", b"x" * 300,
     ROW.encode(), b'""', b"\xef\xbb\xbf", "\u202e\ufeff\u0661".encode()]
)  # fmt: skip
text = st.text(max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    "reference": "A-1",
    "segment": "premium",
    "customer": {"id": "C-1", "name": "Shop"},
    "value": 10,
    "recipient": {"name": "Ann Lee", "phone": "07400 123456", "email": "a@b.example"},
    "address": {
        "lines": ["1 High Street"],
        "city": "Leeds",
        "country": "GB",
        "postcode": "LS1 1UR",
    },
    "location": {"lat": 1.5, "lon": 2},
    "window": {"start": "09:00", "end": "2026-11-24T12:00:00Z"},
    "parcels": [{"barcode": "1", "weight_kg": 1, "volume_dm3": 2.5, "handling": ["fragile"]}],
    "instructions": "ring",
}


def read(groups: CsvRows | JsonRows) -> int:
    """Cleanse everything; every consignment comes clean or with a reason."""
    told = 0
    for group in groups:
        told += _outcome(group)
    assert told == len(groups)
    return told


def _outcome(group: Group) -> int:
    clean, remarks = cleanse(group)
    notes = one_per_record(remarks.faults)
    assert (clean is None) == bool(notes)
    if clean is not None:
        assert len(clean.content_hash()) == 64
        assert "\0" not in repr(clean)
    assert msgspec.json.encode([notes, remarks.warnings])
    return 1


@given(pieces=st.lists(bits, max_size=40), header=st.booleans())
def test_any_csv_is_read_or_told(pieces: list[bytes], header: bool) -> None:  # noqa: FBT001
    """Quotes, line ends, NULs and broken UTF-8 in any order."""
    raw = (HEADER if header else b"") + b"".join(pieces)
    with suppress(*REFUSALS):
        read(CsvRows(io.BytesIO(raw)))


@given(cut=st.integers(0, len(ROW.encode()) * 2))
def test_a_file_cut_anywhere_keeps_what_came_before(cut: int) -> None:
    """However much of the next row arrived, the first rows are whole."""
    whole = HEADER + ROW.encode() + ROW.replace("R-1", "R-2").encode()
    found = list(CsvRows(io.BytesIO(whole + ROW.replace("R-1", "R-3").encode()[:cut])))
    good = [clean.reference for clean, _ in map(cleanse, found) if clean is not None]
    assert good[:2] == ["R-1", "R-2"]


@settings(max_examples=200)
@given(member=st.sampled_from(sorted(GOOD)), inner=st.text(max_size=8), value=values)
def test_any_json_member_is_read_or_told(member: str, inner: str, value: object) -> None:
    """Any value at any member, beside a good element that always comes through."""
    broken = {**GOOD, "reference": "A-2", member: value, inner: value}
    raw = json.dumps([GOOD, broken]).encode()
    with suppress(*REFUSALS):
        rows = JsonRows(raw)
        read(rows)
        assert any(clean is not None for clean, _ in map(cleanse, rows))


@given(raw=st.binary(max_size=60), prefix=st.sampled_from([b"", b"[", b'[{"reference":']))
def test_any_bytes_as_json_are_read_or_refused(raw: bytes, prefix: bytes) -> None:
    """Bytes that are no JSON are a refusal, nothing else."""
    with suppress(*REFUSALS):
        read(JsonRows(prefix + raw))


@given(value=st.text(max_size=60))
def test_any_text_in_every_field_is_read_or_told(value: str) -> None:
    """One text for name, phone, address, country, barcode and words."""
    element = {
        "reference": value,
        "segment": value,
        "recipient": {"name": value, "phone": value, "email": value},
        "address": {"lines": [value], "city": value, "country": "GB", "postcode": value},
        "window": {"start": value, "end": value},
        "parcels": [{"barcode": value, "weight_kg": 1, "volume_dm3": 1, "handling": [value]}],
    }
    assert msgspec.convert(element, ConsignmentIn).reference == value
    raw = json.dumps([element]).encode()
    read(JsonRows(raw))
