"""Statements of a transaction that wait for its next flush, and then go out as one.

Each changes rows and returns none; none sees what another of them changes, and none follows
another. So they wait only where order is nobody's concern: rows that are new, or whose locks the
transaction holds already, and no row twice. A statement is one INSERT, UPDATE or DELETE without
``WITH``, semicolon, comment, or a dollar sign in a literal.
"""

import re
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncSession

from backend.store.direct import fetch

_LATER = "later"
_PLACE = re.compile(r"\$(\d+)")


class _Part(NamedTuple):
    statement: str
    values: tuple[object, ...]


def put(tx: AsyncSession, statement: str, *values: object) -> None:
    """Have a statement with ``$1``-style places go out with the others."""
    tx.info.setdefault(_LATER, []).append(_Part(statement, values))


def waits(tx: AsyncSession) -> bool:
    """Tell whether a statement waits."""
    return _LATER in tx.info


def forget(tx: AsyncSession) -> None:
    """Send none of them."""
    tx.info.pop(_LATER, None)


async def send(tx: AsyncSession) -> None:
    """Send them all."""
    parts = cast("list[_Part]", tx.info.pop(_LATER, []))
    if parts:
        statement = _joined(tuple(part.statement for part in parts))
        await fetch(tx, statement, *chain.from_iterable(part.values for part in parts))


@lru_cache(1_024)
def _joined(statements: tuple[str, ...]) -> str:
    """Make one statement of many; their places are numbered through, in order."""
    if len(statements) == 1:
        return statements[0]
    begin, parts = 0, []
    for number, statement in enumerate(statements):
        parts.append(f"part_{number} AS ({_shifted(statement, begin)})")
        begin += max((int(place) for place in _PLACE.findall(statement)), default=0)
    return f"WITH {', '.join(parts)} SELECT"


def _shifted(statement: str, by: int) -> str:
    return _PLACE.sub(lambda place: f"${int(place[1]) + by}", statement)
