"""RFC 4180 records out of bytes, with their physical lines, in bounded memory.

A record is cut by counting quote characters, so a damaged one is known by its first line alone:
that line is given up, and reading starts again at the next. One stray quote never swallows the
rest of a file. Python's ``csv`` reads the fields of each record so cut.
"""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from backend.intake.notes import RowCode

LONGEST_RECORD = 64 * 1024
MOST_LINES = 400  # one record's quoted text may run over this many lines
_BOM = b"\xef\xbb\xbf"
_BLANK = b", \t\r\n"
_BLANK_RUN = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line, or a run of blank ones; ``cut`` when it was too long to keep."""

    number: int
    offset: int
    raw: bytes
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Scanned:
    """One record: its fields, or the fault that keeps them from being read.

    ``again`` says that it was found inside a record already given up: it may be no record at all.
    The fields of a faulty one are its first line cut at the commas, good for hints only.
    """

    line: int
    offset: int
    length: int
    fields: tuple[str, ...]
    fault: RowCode | None = None
    detail: str = ""
    again: bool = False


def scan(file: BinaryIO) -> Iterator[Scanned]:
    """Yield every record of a file that stands at its beginning; blank lines are none."""
    lines = _Lines(file)
    given_up = 0  # the offset up to which faults have been told
    while (first := lines.take()) is not None:
        if not first.cut and not first.raw.strip(_BLANK):
            continue
        span = lines.record(first)
        scanned = parse(span)
        inside = first.offset < given_up
        if scanned.fault is not None and len(span) > 1:
            lines.put_back(span[1:])
            given_up = max(given_up, span[-1].offset + 1)
        if scanned.fields:
            yield replace(scanned, again=True) if inside else scanned


class _Lines:
    """Physical lines that can be put back."""

    def __init__(self, file: BinaryIO) -> None:
        self._fresh = physical_lines(file)
        self._again: deque[Line] = deque()

    def take(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._fresh, None)

    def put_back(self, lines: list[Line]) -> None:
        self._again.extendleft(reversed(lines))

    def record(self, first: Line) -> list[Line]:
        """Return the lines up to where every quote is closed, or a bound is reached."""
        span, size, quotes = [first], len(first.raw), first.raw.count(b'"')
        while quotes % 2 and size <= LONGEST_RECORD and len(span) < MOST_LINES:
            line = self.take()
            if line is None:
                break
            span.append(line)
            size += len(line.raw)
            quotes += line.raw.count(b'"')
        return span


def physical_lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a file, the byte order mark left out, over-long ones cut.

    Blank lines come in runs: 32 MiB of them are seconds of work, not minutes.
    """
    offset, number, ahead = 0, 0, b""
    while raw := ahead or file.readline(LONGEST_RECORD + 1):
        number, ahead = number + 1, b""
        if not raw.strip(_BLANK) and raw.endswith(b"\n"):
            run, more, ahead = _blank_run(file, raw)
            yield Line(number, offset, run)
            number, offset = number + more, offset + len(run)
            continue
        length, cut = len(raw), False
        while len(raw) > LONGEST_RECORD and not raw.endswith(b"\n"):
            cut = True
            raw = file.readline(LONGEST_RECORD + 1)
            length += len(raw)
            if not raw:
                break
        skipped = len(_BOM) if number == 1 and raw.startswith(_BOM) else 0
        yield Line(number, offset + skipped, b"" if cut else raw[skipped:], cut)
        offset += length


def _blank_run(file: BinaryIO, first: bytes) -> tuple[bytes, int, bytes]:
    """Return the run's bytes, how many lines beyond the first it has, and the line after it."""
    raws, size = [first], len(first)
    while size < _BLANK_RUN and (raw := file.readline(LONGEST_RECORD + 1)):
        if raw.strip(_BLANK) or not raw.endswith(b"\n"):
            return b"".join(raws), len(raws) - 1, raw
        raws.append(raw)
        size += len(raw)
    return b"".join(raws), len(raws) - 1, b""


def parse(span: list[Line]) -> Scanned:
    """Read the fields of one record."""
    first = span[0]
    raw = b"".join(line.raw for line in span)
    if any(line.cut for line in span) or len(raw) > LONGEST_RECORD:
        detail = f"longer than {LONGEST_RECORD} bytes"
        return _faulty(span, raw, RowCode.RECORD_TOO_LONG, detail)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        detail = f"not UTF-8 at byte {error.start} of the record"
        return _faulty(span, raw, RowCode.NOT_UTF8, detail)
    if raw.count(b'"') % 2:
        return _faulty(span, raw, RowCode.UNTERMINATED_QUOTE, "a quoted field is never closed")
    try:
        fields = tuple(next(csv.reader([text], strict=True), []))
    except csv.Error as error:
        return _faulty(span, raw, RowCode.BAD_QUOTING, str(error))
    blank = not any(field.strip() for field in fields)
    return Scanned(first.number, first.offset, len(raw), () if blank else fields)


def _faulty(span: list[Line], raw: bytes, code: RowCode, detail: str) -> Scanned:
    """What could be a reference is kept, so that its other lines are not taken for the whole."""
    first = span[0]
    hint = tuple(first.raw.decode(errors="replace").rstrip("\r\n").split(","))
    return Scanned(first.number, first.offset, len(raw), hint, code, detail)
