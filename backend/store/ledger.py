"""The ledger of a transaction: what ``record`` has to write, kept until the session's next flush.

Entries, openings, timeline and changed rows of a whole chunk then go out together, all of one kind
in one statement. Nobody but ``record`` puts anything in (``tests/laws/test_laws_ledger.py``).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.store.direct import columns, fetch, json_text
from backend.tables.base import Audited

R = TypeVar("R", bound=Audited)

_LEDGER = "ledger"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry: its bytes, and what is projected from them for search."""

    id: UUID
    leaf: bytes
    leaf_hash: bytes
    entity: str
    entity_id: str
    n: int
    action: str
    actor_type: str
    actor_id: str


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """The openings of an entry's commitments, as JSON."""

    entry_id: UUID
    entity: str
    entity_id: str
    openings: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event on a stop's timeline; ``body``, ``fix``, ``findings``, ``evidence`` are JSON."""

    id: UUID
    stop_id: UUID
    version: int
    kind: str
    source: str
    actor_id: str
    device_id: UUID | None
    mutation_id: UUID | None
    outcome: str
    policy_version: int | None
    happened: datetime
    uncertainty_ms: int | None
    body: str
    fix: str | None
    findings: str
    evidence: str
    device_wall: datetime | None
    entry: bytes | None


@dataclass(slots=True)
class Ledger:
    """What is still to be written; ``changed`` are rows, with the columns that changed, by name."""

    entries: list[EntryLine] = field(default_factory=list)
    openings: list[OpeningLine] = field(default_factory=list)
    events: list[EventLine] = field(default_factory=list)
    changed: dict[tuple[str, UUID], tuple[Audited, set[str]]] = field(default_factory=dict)

    def change(self, row: Audited, names: Iterable[str]) -> None:
        """Have a row's columns written, as they are when that happens."""
        _, changed = self.changed.setdefault((row.__entity__, row.id), (row, set()))
        changed.update(names)


def of(tx: AsyncSession) -> Ledger:
    """Return the transaction's ledger."""
    return cast("Ledger", tx.info.setdefault(_LEDGER, Ledger()))


def waits(tx: AsyncSession) -> bool:
    """Tell whether anything is still to be written."""
    return _LEDGER in tx.info


def changes(tx: AsyncSession, table: type[R], fits: Callable[[R], bool]) -> bool:
    """Tell whether a row of a table that fits waits to be written."""
    waiting = [row for row, _ in of(tx).changed.values()] if waits(tx) else []
    return any(isinstance(row, table) and fits(row) for row in waiting)


def tells(tx: AsyncSession, stop_id: UUID, kinds: Collection[str]) -> bool:
    """Tell whether an event of these kinds at a stop waits to be written."""
    waiting = of(tx).events if waits(tx) else []
    return any(event.stop_id == stop_id and event.kind in kinds for event in waiting)


def tear_out(tx: AsyncSession) -> None:
    """Forget what was not written yet: its savepoint is undone."""
    tx.info.pop(_LEDGER, None)


async def write(tx: AsyncSession) -> None:
    """Write everything that waits; each kind in one statement."""
    ledger = cast("Ledger | None", tx.info.pop(_LEDGER, None))
    if ledger is None:
        return
    if ledger.entries:
        entries = columns(ledger.entries, EntryLine)
        openings = columns(ledger.openings, OpeningLine)
        events = columns(ledger.events, EventLine)
        await fetch(tx, _LOG, tx.info["now"], *entries, *openings, *events)
    for (table, names), rows in _alike(ledger.changed.values()).items():
        values = [[getattr(row, name) for row in rows] for name in names]
        await fetch(tx, _update(table, names), *_bound(table, names, values))


_LOG = """
WITH logged AS (
  INSERT INTO audit_entry
    (at, id, leaf, leaf_hash, entity, entity_id, n, action, actor_type, actor_id)
  SELECT $1::timestamptz, * FROM unnest(
    $2::uuid[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::int[], $8::text[],
    $9::text[], $10::text[])
), pending AS (
  INSERT INTO audit_pending (entry_id, quarantined) SELECT unnest($2::uuid[]), false
), opened AS (
  INSERT INTO audit_opening (entry_id, entity, entity_id, openings)
  SELECT id, entity, entity_id, openings::jsonb FROM unnest(
    $11::uuid[], $12::text[], $13::text[], $14::text[]) AS x(id, entity, entity_id, openings)
)
INSERT INTO stop_event
  (known, id, stop_id, version, kind, source, actor_id, device_id, mutation_id, outcome,
   policy_version, happened, uncertainty_ms, body, fix, findings, evidence, device_wall, entry)
SELECT
  $1::timestamptz, id, stop_id, version, kind, source, actor_id, device_id, mutation_id, outcome,
  policy_version, happened, uncertainty_ms, body::jsonb, fix::jsonb, findings::jsonb,
  evidence::jsonb, device_wall, entry
FROM unnest(
  $15::uuid[], $16::uuid[], $17::int[], $18::text[], $19::text[], $20::text[], $21::uuid[],
  $22::uuid[], $23::text[], $24::int[], $25::timestamptz[], $26::int[], $27::text[], $28::text[],
  $29::text[], $30::text[], $31::timestamptz[], $32::bytea[])
  AS x(id, stop_id, version, kind, source, actor_id, device_id, mutation_id, outcome,
       policy_version, happened, uncertainty_ms, body, fix, findings, evidence, device_wall,
       entry)
"""


_Shape = tuple[type[Audited], tuple[str, ...]]


def _alike(changed: Iterable[tuple[Audited, set[str]]]) -> dict[_Shape, list[Audited]]:
    """Put rows together in which the same columns of the same table change."""
    groups: dict[_Shape, list[Audited]] = defaultdict(list)
    for row, names in changed:
        groups[type(row), ("id", *sorted(names))].append(row)
    return groups


@cache
def _update(table: type[Audited], names: tuple[str, ...]) -> str:
    """Word the statement that changes these columns in many rows."""
    columns = table.__table__.c
    places = [f"(SELECT ${n}::{_passed_as(table, name)}[])" for n, name in enumerate(names, 1)]
    news = [
        f"{name} = x.{name}{'::jsonb' if isinstance(columns[name].type, JSONB) else ''}"
        for name in names[1:]
    ]
    return (
        f'UPDATE "{table.__tablename__}" AS t SET {", ".join(news)} '  # noqa: S608 - our own names
        f"FROM unnest({', '.join(places)}) AS x({', '.join(names)}) WHERE t.id = x.id"
    )


def _passed_as(table: type[Audited], name: str) -> str:
    kind = table.__table__.c[name].type
    return "text" if isinstance(kind, JSONB) else kind.compile(_DIALECT)


def _bound(
    table: type[Audited], names: tuple[str, ...], values: list[list[object]]
) -> list[list[object]]:
    """Write JSON columns as text; everything else is the driver's own."""
    columns = table.__table__.c
    return [
        [json_text(value) for value in column] if isinstance(columns[name].type, JSONB) else column
        for name, column in zip(names, values, strict=True)
    ]
