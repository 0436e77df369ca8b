"""A CSV file of consignments, grouped by reference wherever its lines stand.

The file is read twice: first to find where each reference's records lie, then record by record in
the order of first sighting. Only offsets are kept in between, so 100,000 rows stay small.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO

from backend.errors import InputError, Malformed
from backend.intake import text
from backend.intake.csv_scan import Scanned, parse, physical_lines, scan
from backend.intake.csv_value import COLUMNS, REQUIRED, record_of
from backend.intake.notes import Place, RowCode, RowNote
from backend.intake.records import MOST_RECORDS, Group, Record, TooManyRecords


class CsvHeaderInvalid(Malformed):
    """The first line does not name the columns of a consignment file."""

    code = "csv_header_invalid"
    title = "The header row is not that of a consignment file"


@dataclass(frozen=True, slots=True)
class Header:
    """Which column stands where."""

    names: tuple[str, ...]

    def unknown(self) -> Iterator[RowNote]:
        """Yield a warning for each column we do not read."""
        for name in self.names:
            if name not in COLUMNS:
                detail = f"column {name[:40]!r} is not read"
                yield RowNote(1, f"/{name[:40]}", RowCode.UNKNOWN_COLUMN.value, detail)

    def row(self, fields: tuple[str, ...]) -> Mapping[str, str]:
        """Return the fields by column."""
        return dict(zip(self.names, fields, strict=True))


@dataclass(slots=True)
class _Index:
    """Where the records lie, and which belong together."""

    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    lengths: "array[int]" = field(default_factory=lambda: array("L"))
    lines: "array[int]" = field(default_factory=lambda: array("L"))
    faults: dict[int, Scanned] = field(default_factory=dict)
    groups: dict[str, list[int]] = field(default_factory=dict)

    def add(self, scanned: Scanned, reference: str) -> None:
        number = len(self.offsets)
        if number >= MOST_RECORDS:
            raise TooManyRecords
        self.offsets.append(scanned.offset)
        self.lengths.append(scanned.length)
        self.lines.append(scanned.line)
        if scanned.fault is not None:
            self.faults[number] = replace(scanned, fields=())
        key = reference or f"\n{number}"  # rows without a reference stay apart
        self.groups.setdefault(key, []).append(number)


class CsvRows:
    """The consignments of one file; iterate once."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the header and the index.

        Raises:
            CsvHeaderInvalid: the header is not one.
        """
        self._file = file
        records = scan(file)
        self.header = read_header(next(records, None), _head(file))
        self._index = _build(records, self.header)

    def __len__(self) -> int:
        """How many consignments were found, good and bad."""
        return len(self._index.groups)

    @property
    def warnings(self) -> tuple[RowNote, ...]:
        """Return what is to be said about the file as a whole."""
        return tuple(self.header.unknown())

    def __iter__(self) -> Iterator[Group]:
        """Yield the records of each reference."""
        for numbers in self._index.groups.values():
            yield tuple(self._record(number) for number in numbers)

    def _record(self, number: int) -> Record:
        place = Place(self._index.lines[number])
        bad = self._index.faults.get(number)
        if bad is not None and bad.fault is not None:
            note = RowNote(place.line, "", bad.fault.value, bad.detail)
            return Record(place, None, (note,))
        self._file.seek(self._index.offsets[number])
        raw = self._file.read(self._index.lengths[number])
        scanned = parse(list(physical_lines(BytesIO(raw))))
        return record_of(place, self.header.row(scanned.fields))


def _head(file: BinaryIO) -> bytes:
    here = file.tell()
    file.seek(0)
    head = file.read(4)
    file.seek(here)
    return head


def read_header(scanned: Scanned | None, head: bytes) -> Header:
    """Check the first record against the contract's columns; their order is free."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CsvHeaderInvalid("the file is UTF-16; save it as UTF-8")
    if scanned is None:
        raise CsvHeaderInvalid("the file is empty")
    if scanned.fault is not None:
        raise CsvHeaderInvalid(f"the header row cannot be read: {scanned.detail}")
    names = tuple(name.strip().lower() for name in scanned.fields)
    while names and not names[-1]:
        names = names[:-1]
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise CsvHeaderInvalid("the columns must be separated by commas")
    _check_names(names)
    return Header(names)


def _check_names(names: tuple[str, ...]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing or twice:
        errors = [InputError(f"/{name}", "missing", "this column is required") for name in missing]
        errors += [InputError(f"/{name[:40]}", "duplicate", "named twice") for name in twice]
        named = ", ".join(error.pointer[1:] for error in errors)
        raise CsvHeaderInvalid(f"line 1: check these columns: {named}", errors=errors)


def _build(records: Iterator[Scanned], header: Header) -> _Index:
    index = _Index()
    width = len(header.names)
    column = header.names.index("reference")
    for scanned in records:
        checked = _fitted(scanned, width)
        if checked.again and checked.fault is not None and len(checked.fields) < width:
            continue  # more of the text whose quote was never closed
        fields = checked.fields
        index.add(checked, text.line(fields[column]) if column < len(fields) else "")
    return index


def _fitted(scanned: Scanned, width: int) -> Scanned:
    """Check the number of fields; blank ones beyond the last column are a spreadsheet's habit."""
    fields = scanned.fields
    if scanned.fault is not None or len(fields) == width:
        return scanned
    if len(fields) > width and not any(fields[width:]):
        return scanned
    detail = f"{len(fields)} fields where the header names {width}"
    return replace(scanned, fault=RowCode.FIELD_COUNT, detail=detail)
