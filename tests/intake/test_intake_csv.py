import io

import pytest

from backend.intake.csv_rows import CsvHeaderInvalid, CsvRows
from backend.intake.csv_scan import LONGEST_RECORD, physical_lines
from backend.intake.csv_value import COLUMNS
from backend.intake.records import Record

HEADER = ",".join(COLUMNS)


def row(reference: str, barcode: str = "", **fields: str) -> str:
    """One good line, with what a test wants otherwise."""
    values = {
        "reference": reference, "recipient_name": "Ann Lee", "address_line1": "1 High Street",
        "city": "Leeds", "country": "GB", "barcode": barcode or f"B-{reference}",
        "weight_kg": "1.5", "volume_dm3": "3", **fields,
    }  # fmt: skip
    return ",".join(values.get(name, "") for name in COLUMNS)


def groups(text: str | bytes) -> list[tuple[Record, ...]]:
    """Read a whole file."""
    raw = text.encode() if isinstance(text, str) else text
    return list(CsvRows(io.BytesIO(raw)))


def good(found: list[tuple[Record, ...]]) -> list[str]:
    """The references of what could be read."""
    return [g[0].value.reference for g in found if g[0].value and not g[0].faults]


def faults(found: list[tuple[Record, ...]]) -> list[tuple[int | None, str, str]]:
    """Every fault as line, pointer and code."""
    return [(n.line, n.pointer, n.code) for g in found for r in g for n in r.faults]


def test_lines_of_one_reference_make_one_consignment_wherever_they_stand() -> None:
    """Parcels of a reference come together across the file, in order of first sighting."""
    found = groups("\n".join([HEADER, row("A", "1"), row("B", "2"), row("A", "3")]))
    assert [[r.place.line for r in group] for group in found] == [[2, 4], [3]]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_is_where_the_record_starts(newline: str, mark: bytes) -> None:
    """Quoted newlines count as physical lines; byte order mark and line ends do not matter."""
    wordy = row("A", instructions=f'"ring{newline}twice{newline}please"')
    text = newline.join([HEADER, wordy, row("B"), "", row("C"), ""])
    found = groups(mark + text.encode())
    assert [group[0].place.line for group in found] == [2, 5, 7]
    assert good(found) == ["A", "B", "C"]


def test_half_a_file_loses_nothing_before_the_cut() -> None:
    """A quote left open at the end is one bad row; the rows before it are read."""
    text = "\n".join([HEADER, row("A"), row("B"), row("C", instructions='"ring twi')])
    found = groups(text)
    assert good(found) == ["A", "B"]
    assert faults(found) == [(4, "", "unterminated_quote")]


def test_a_row_cut_in_the_middle_is_told() -> None:
    """A last row with too few fields is a bad row."""
    found = groups("\n".join([HEADER, row("A"), row("B")[:30]]))
    assert good(found) == ["A"]
    assert faults(found) == [(3, "", "field_count")]


def test_a_stray_quote_costs_its_own_line_only() -> None:
    """After a line whose quote is never closed, the following lines are read again."""
    bad = row("B", address_line1='"2 High Street')
    found = groups("\n".join([HEADER, row("A"), bad, row("C"), row("D")]))
    assert good(found) == ["A", "C", "D"]
    assert faults(found) == [(3, "", "unterminated_quote")]


def test_an_inch_mark_inside_a_field_costs_its_own_line_only() -> None:
    """Two such lines are two bad rows, not one that swallows what lies between."""
    bad = [row("B", description='5" pipe'), row("D", description='6" pipe')]
    found = groups("\n".join([HEADER, row("A"), bad[0], row("C"), bad[1], row("E")]))
    assert good(found) == ["A", "C", "E"]
    assert [line for line, _, _ in faults(found)] == [3, 5]


def test_bytes_that_are_not_utf8_reject_their_row_only() -> None:
    """Latin-1 in one row does not disturb the others."""
    lines = [HEADER.encode(), row("A").encode(), row("B", city="Zürich").encode("latin-1")]
    found = groups(b"\n".join([*lines, row("C").encode()]))
    assert good(found) == ["A", "C"]
    assert faults(found) == [(3, "", "not_utf8")]


def test_an_endless_line_is_not_kept() -> None:
    """A line beyond the limit is told and skipped."""
    found = groups("\n".join([HEADER, row("A", city="x" * 3 * LONGEST_RECORD), row("B")]))
    assert good(found) == ["B"]
    assert faults(found) == [(2, "", "record_too_long")]


def test_a_bad_line_spoils_its_consignment() -> None:
    """A consignment with an unreadable line is not taken for whole."""
    found = groups("\n".join([HEADER, row("A", "1"), row("B"), "A,too,short"]))
    assert faults(found) == [(4, "", "field_count")]
    assert len(found[0]) == 2


def test_columns_may_come_in_any_order_and_optional_ones_may_be_absent() -> None:
    """The header decides what stands where; what we do not read is told."""
    text = (
        "weight_kg,volume_dm3,barcode,country,city,address_line1,recipient_name,Reference,colour\n"
        "1,2,X,GB,Leeds,1 High Street,Ann Lee,A,red\n"
    )
    rows = CsvRows(io.BytesIO(text.encode()))
    assert good(list(rows)) == ["A"]
    assert [note.code for note in rows.warnings] == ["unknown_column"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "empty"),
        (HEADER.replace(",", ";").encode(), "commas"),
        ("\ufeff".encode("utf-16-le") + HEADER.encode("utf-16-le"), "UTF-16"),
        (HEADER.replace("weight_kg", "weight").encode(), "weight_kg"),
        (f"{HEADER},city".encode(), "city"),
        (b'"reference', "never closed"),
    ],
)
def test_a_header_that_is_none_is_refused_as_a_whole(text: bytes, said: str) -> None:
    """Without its columns nothing of a file can be understood, and the message says why."""
    with pytest.raises(CsvHeaderInvalid, match=said):
        CsvRows(io.BytesIO(text))


def test_numbers_are_read_strictly() -> None:
    """A decimal comma is not guessed at; blank obligatory numbers are missing."""
    found = groups("\n".join([HEADER, row("A", weight_kg='"1,5"'), row("B", volume_dm3="")]))
    assert faults(found) == [(2, "/weight_kg", "bad_number"), (3, "/volume_dm3", "missing")]


def test_blank_rows_of_a_spreadsheet_are_no_rows() -> None:
    """Lines of separators alone are passed over."""
    assert good(groups("\n".join([HEADER, row("A"), "," * 22, row("B")]))) == ["A", "B"]


def test_blank_lines_count_as_physical_lines_and_stay_inside_quotes() -> None:
    """However many blank lines stand between records, the number of a line is its place."""
    text = "\n".join(
        [HEADER, *[""] * 9000, row("A", instructions='"one\n\n,,\n\ntwo"'), "", "B,short"]
    )
    found = groups(text)
    assert faults(found) == [(9008, "", "field_count")]
    value = found[0][0].value
    assert value is not None
    assert value.instructions == "one\n\n,,\n\ntwo"


def test_a_file_of_blank_lines_is_cheap() -> None:
    """Blank lines are read in runs, so that millions of them make few steps."""
    blank = b"\r\n" * 1_000_000
    assert len(list(physical_lines(io.BytesIO(blank)))) < 1000
