"""Take JSON apart one level at a time, without recursion and without trusting what is inside.

A batch must survive whatever stands in one of its mutations: a lone surrogate, an absurd number, a
thousand brackets. Parsers fail on the whole text; this one only needs brackets and quotes to match,
and leaves each piece to be judged alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

_TOKEN = re.compile(
    rb'[ \t\r\n]*(?:(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<open>[\[{])|(?P<close>[\]}])'
    rb'|(?P<mark>[,:])|(?P<atom>[^ \t\r\n\[\]{},:"]+))',
    re.DOTALL,
)
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SPACE = b" \t\r\n"
_CLOSES = {b"[": b"]", b"{": b"}"}


class Unbalanced(ValueError):
    """Brackets or quotes do not match: there is no telling where a piece ends."""


def items(raw: bytes) -> list[bytes]:
    """Return the raw elements of a JSON array.

    Raises:
        Unbalanced: it is not one array, or nothing stands where an element should.
    """
    found = [piece.value for piece in _pieces(raw, b"[")]
    if not all(found):
        raise Unbalanced("a comma too many")
    return found


def members(raw: bytes, *, strictly: bool = False) -> dict[bytes, bytes]:
    """Return the raw members of a JSON object by what their keys read; the last of two counts.

    Of a broken object the members that can be told apart are returned; ``strictly`` none, if any
    is not one quoted key and one value: what hides there would be lost without a word.

    Raises:
        Unbalanced: it is not one object.
    """
    found = list(_pieces(raw, b"{"))
    if strictly and not all(piece.is_member for piece in found):
        raise Unbalanced("a member is not one key and one value")
    return {_read_key(piece.key): piece.value for piece in found if piece.key is not None}


def is_text(raw: bytes) -> bool:
    """Tell whether a piece is one quoted text, whatever stands in it."""
    return _TEXT.fullmatch(raw) is not None


def _read_key(raw: bytes) -> bytes:
    """Undo the escapes of a key; one that cannot be read is none of ours, and stays as it is."""
    try:
        return msgspec.json.decode(raw, type=str).encode()
    except (msgspec.DecodeError, UnicodeError):
        return raw


@dataclass(slots=True)
class _Piece:
    """What stands between two commas, and before a colon the key; ``values`` counts what is there.

    Of an array's element only the value is known.
    """

    start: int
    key: bytes | None = None
    value: bytes = b""
    values: int = 0

    @property
    def is_member(self) -> bool:
        return self.key is not None and is_text(self.key) and self.values == 1


def _pieces(raw: bytes, opening: bytes) -> Iterator[_Piece]:
    """Cut at the commas of the outermost level."""
    closers: list[bytes] = []
    at, piece, many = 0, _Piece(0), False
    end = len(raw.rstrip(_SPACE))
    while at < end:
        token = _TOKEN.match(raw, at)
        if token is None or (not closers and (at or token["open"] != opening)):
            raise Unbalanced(f"at byte {at}")
        at = token.end()
        outermost = len(closers) == 1
        if token["open"]:
            closers.append(_CLOSES[token["open"]])
            piece = piece if len(closers) > 1 else _Piece(at)
            piece.values += outermost
        elif token["close"]:
            if not closers or closers.pop() != token["close"]:
                raise Unbalanced(f"at byte {at}")
        elif outermost and token["mark"] == b",":
            piece.value = raw[piece.start : at - 1].strip(_SPACE)
            yield piece
            piece, many = _Piece(at), True
        elif outermost and token["mark"] == b":" and opening == b"{" and piece.key is None:
            piece = _Piece(at, raw[piece.start : at - 1].strip(_SPACE))
        else:
            piece.values += outermost
    if closers or at == 0:
        raise Unbalanced("the text ends too early")
    piece.value = raw[piece.start : end - 1].strip(_SPACE)
    if many or piece.value or piece.key is not None:
        yield piece
