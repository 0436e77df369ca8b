"""The months of positions: partitions made ahead and dropped whole.

Each is made as a plain table and attached then, which leaves the lane writing. What came for a
month that was missing lies in the default partition, and moves when its month is made.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_MONTHS = text(
    """
    SELECT part.relname, pg_get_expr(part.relpartbound, part.oid) AS bounds
    FROM pg_inherits JOIN pg_class AS part ON part.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = 'position'::regclass
    """
)
_ENDS = re.compile(r"TO \('([^']+)'\)")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A partition and the moment at which it ends."""

    ends: datetime
    name: str


def following(month: date) -> date:
    """Return the first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _start(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


async def known(tx: AsyncSession) -> list[Month]:
    """Return the partitions that end, earliest first; the default one does not."""
    found = [(row.relname, _ENDS.search(row.bounds)) for row in await tx.execute(_MONTHS)]
    ending = [(name, ends[1]) for name, ends in found if ends is not None]
    return sorted(Month(datetime.fromisoformat(ends), name) for name, ends in ending)


async def add(tx: AsyncSession, month: date) -> None:
    """Make a month, and fetch what already came for it."""
    first, last = _start(month), _start(following(month))
    name = f"position_{month:%Y_%m}"
    await tx.execute(text("SET LOCAL lock_timeout = '2s'"))
    await tx.execute(
        text(
            f"CREATE TABLE {name} (LIKE position INCLUDING DEFAULTS, "
            f"CONSTRAINT pk_{name} PRIMARY KEY (device_id, at), "
            f"CONSTRAINT within CHECK (at >= '{first}' AND at < '{last}'))"
        )
    )
    await tx.execute(
        text(
            "WITH early AS ("  # noqa: S608 - the name is made here, of a date
            "DELETE FROM position_default WHERE at >= :first AND at < :last RETURNING *"
            f") INSERT INTO {name} SELECT * FROM early"
        ),
        {"first": first, "last": last},
    )
    await tx.execute(
        text(
            f"ALTER TABLE position ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('{first}') TO ('{last}')"
        )
    )
    await tx.execute(text(f"ALTER TABLE {name} DROP CONSTRAINT within"))


async def drop(tx: AsyncSession, month: Month) -> None:
    """Drop a month with everything in it."""
    await tx.execute(text("SET LOCAL lock_timeout = '2s'"))
    await tx.execute(text(f"DROP TABLE {month.name}"))


async def sweep_strays(tx: AsyncSession, before: datetime) -> None:
    """Drop old fixes for which there was no month any more."""
    await tx.execute(text("DELETE FROM position_default WHERE at < :before"), {"before": before})
