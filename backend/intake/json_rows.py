"""A JSON list of consignments, element by element, so that a bad one never stops the others.

The fast road lets the decoder cut the list. Where the decoder refuses the whole for the sake of
one element (a lone surrogate, bytes that are not UTF-8, absurd depth), a bracket counter cuts it
instead.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from backend.errors import Malformed
from backend.intake import text
from backend.intake.notes import Place, RowCode, RowNote
from backend.intake.records import MOST_RECORDS, ConsignmentIn, Group, Record, TooManyRecords
from backend.wire.json import JsonBroken, fault_of

DEEPEST = 200_000  # counted, not recursed into: deep elements fail alone, endless ones end here
_MANY_COMMAS = 1_500_000  # the decoder would build all elements before we could count them
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},"]', re.DOTALL)


class JsonListExpected(Malformed):
    """An import body is a list of consignments."""

    code = "json_list_expected"
    title = "A JSON list of consignments is expected"


class _Named(msgspec.Struct):
    reference: str


class JsonRows:
    """The consignments of one JSON document."""

    def __init__(self, raw: bytes) -> None:
        """Cut the list and find which elements belong together.

        Raises:
            JsonBroken: it is not JSON.
            JsonListExpected: it is JSON, but no list.
        """
        self._elements = cut(raw)
        self._groups: dict[str, list[int]] = {}
        for index, element in enumerate(self._elements):
            key = _reference(element) or f"\n{index}"
            self._groups.setdefault(key, []).append(index)

    def __len__(self) -> int:
        """How many consignments were found, good and bad."""
        return len(self._groups)

    @property
    def warnings(self) -> tuple[RowNote, ...]:
        """Return what is to be said about the document as a whole: nothing."""
        return ()

    def __iter__(self) -> Iterator[Group]:
        """Yield the records of each reference."""
        for indexes in self._groups.values():
            yield tuple(read_element(index, self._elements[index]) for index in indexes)


def cut(raw: bytes) -> Sequence[msgspec.Raw | bytes]:
    """Cut a list into its elements, undecoded."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.count(b",") > _MANY_COMMAS:
        return cut_by_brackets(raw, JsonBroken("the brackets do not close"))
    try:
        elements = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise JsonListExpected(str(error)) from error
    except RecursionError:
        return cut_by_brackets(raw, JsonBroken("nested too deeply"))
    except msgspec.DecodeError as error:
        return cut_by_brackets(raw, error)
    if len(elements) > MOST_RECORDS:
        raise TooManyRecords
    return elements


def cut_by_brackets(raw: bytes, cause: Exception) -> list[bytes]:
    """Cut a list whose brackets close, whatever stands inside its elements."""
    elements: list[bytes] = []
    depth, start = 0, 0
    body = raw.strip()
    for token in _TOKEN.finditer(body):
        mark = token[0]
        if depth == 0 and (mark != b"[" or token.start() != 0):
            break
        if mark in (b"[", b"{"):
            depth += 1
            start = 1 if depth == 1 else start
        elif mark in (b"]", b"}"):
            depth -= 1
        if depth > DEEPEST or mark == b'"':
            break
        if (mark == b"," and depth == 1) or depth == 0:
            elements.append(body[start : token.start()])
            start = token.end()
            if len(elements) > MOST_RECORDS:
                raise TooManyRecords
        if depth == 0 and start == len(body):
            return elements
    raise JsonBroken(str(cause)) from cause


def _reference(element: msgspec.Raw | bytes) -> str:
    try:
        return text.line(msgspec.json.decode(element, type=_Named).reference)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def read_element(index: int, element: msgspec.Raw | bytes) -> Record:
    """Read one element, or tell where it fails."""
    place = Place(None, index)
    try:
        value = msgspec.json.decode(element, type=ConsignmentIn)
        unknown = _unknown(place, msgspec.json.decode(element))
    except msgspec.ValidationError as error:
        fault = fault_of(error)
        note = RowNote(None, f"/{index}{fault.pointer}", fault.code, fault.detail)
        return Record(place, None, (note,))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        note = RowNote(None, f"/{index}", RowCode.MALFORMED.value, str(error)[:200])
        return Record(place, None, (note,))
    return Record(place, value, (), tuple(unknown))


def _unknown(place: Place, value: dict[str, object]) -> Iterator[RowNote]:
    for name in value:
        if name not in ConsignmentIn.__struct_fields__:
            pointer = place.pointer(name[:40].replace("~", "~0").replace("/", "~1"))
            yield RowNote(None, pointer, RowCode.UNKNOWN_MEMBER.value, "this member is not read")
