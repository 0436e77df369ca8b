"""RFC 8785 bytes: written fast where the fast writer gives the same ones.

Nearly everything that phones send and the log keeps is plain: ASCII member names, integers that a
double holds, fractions that everybody writes alike. A property test holds the two writers against
one another.
"""

from typing import cast

import msgspec
import rfc8785

_LARGEST = 2**53 - 1
_DEEPEST = 50  # far less than where either writer gives up


def canonical(value: object) -> bytes:
    """Write JSON as RFC 8785 does.

    Raises:
        rfc8785.CanonicalizationError: it holds an integer that no double does.
        RecursionError: it is nested too deeply.
    """
    return quickly(value) or rfc8785.dumps(value)  # type: ignore[arg-type]  # JSON by origin


def quickly(value: object, *, whole: bool = False) -> bytes | None:
    """Write a plain value; None if it is not plain, or holds a fraction where all is ``whole``."""
    plain = is_plain(value, whole=whole)
    return msgspec.json.encode(value, order="sorted") if plain else None


def is_plain(value: object, *, whole: bool = False) -> bool:
    """Tell whether both writers would write a value alike."""
    level = [value]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                members = cast("dict[str, object]", item)
                if not "".join(members).isascii():
                    return False
                below += members.values()
            elif kind is list:
                below += cast("list[object]", item)
            elif not (kind is str or item is None or _is_plain_number(item, whole=whole)):
                return False
        if not below:
            return True
        level = below
    return False


def _is_plain_number(item: object, *, whole: bool) -> bool:
    """Whole floats, very small and very large ones are where ways to write them differ."""
    if isinstance(item, float):
        return not whole and 1e-5 <= abs(item) < 1e15 and not item.is_integer()
    return isinstance(item, int) and -_LARGEST <= item <= _LARGEST
