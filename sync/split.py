"""Take JSON apart one level at a time, without recursion and without trusting what is inside.

A batch must survive whatever stands in one of its mutations: a lone surrogate, an absurd number, a
thousand brackets. Parsers fail on the whole text; this one only needs brackets and quotes to match,
and leaves each piece to be judged alone.
"""

import re

_TOKEN = re.compile(
    rb'[ \t\r\n]*(?:(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<open>[\[{])|(?P<close>[\]}])'
    rb'|(?P<mark>[,:])|(?P<atom>[^ \t\r\n\[\]{},:"]+))',
    re.DOTALL,
)
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_CLOSES = {b"[": b"]", b"{": b"}"}


class Unbalanced(ValueError):
    """Brackets or quotes do not match: there is no telling where a piece ends."""


def items(raw: bytes) -> list[bytes]:
    """Return the raw elements of a JSON array.

    Raises:
        Unbalanced: it is not one array.
    """
    return [piece for _, piece in _pieces(raw, b"[")]


def members(raw: bytes) -> dict[bytes, bytes]:
    """Return the raw members of a JSON object, by their key as written; the last of two counts.

    Raises:
        Unbalanced: it is not one object.
    """
    return {key: piece for key, piece in _pieces(raw, b"{") if key is not None}


def is_text(raw: bytes) -> bool:
    """Tell whether a piece is one quoted text, whatever stands in it."""
    return _TEXT.fullmatch(raw) is not None


def _pieces(raw: bytes, opening: bytes) -> list[tuple[bytes | None, bytes]]:
    """Cut at the commas of the outermost level; before a colon there stands a key."""
    found: list[tuple[bytes | None, bytes]] = []
    closers: list[bytes] = []
    at, start, key = 0, 0, None
    end = len(raw.rstrip(b" \t\r\n"))
    while at < end:
        token = _TOKEN.match(raw, at)
        if token is None or (not closers and (at or token["open"] != opening)):
            raise Unbalanced(f"at byte {at}")
        at = token.end()
        if token["open"]:
            closers.append(_CLOSES[token["open"]])
            start = at if len(closers) == 1 else start
        elif token["close"] and (not closers or closers.pop() != token["close"]):
            raise Unbalanced(f"at byte {at}")
        elif token["mark"] == b":" and len(closers) == 1 and key is None and opening == b"{":
            key, start = raw[start : at - 1].strip().strip(b'"'), at
        if token["mark"] == b"," and len(closers) == 1:
            found.append((key, raw[start : at - 1].strip()))
            start, key = at, None
    if closers or at == 0:
        raise Unbalanced("the text ends too early")
    last = raw[start : end - 1].strip()
    return [*found, (key, last)] if last or found else []
