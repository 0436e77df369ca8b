"""The ledger of a transaction: what ``record`` has to write, kept until the session's next flush.

Entries, openings, timeline and changed rows of a whole chunk then go out together, in one
statement. Nobody but ``record`` puts anything in (``tests/laws/test_laws_ledger.py``).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from backend.store import later
from backend.store.direct import as_json, json_text
from backend.tables.base import Audited

R = TypeVar("R", bound=Audited)

_LEDGER = "ledger"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class EntryLine(Struct, frozen=True):
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


class OpeningLine(Struct, frozen=True):
    """The openings of an entry's commitments: salt and value for each name."""

    entry_id: UUID
    entity: str
    entity_id: str
    openings: Mapping[str, list[str]]


class EventLine(Struct, frozen=True):
    """An event on a stop's timeline."""

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
    bounded: bool
    body: Mapping[str, Any]
    fix: Mapping[str, Any] | None
    findings: Sequence[Mapping[str, Any]]
    evidence: Sequence[Mapping[str, Any]]
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
    return _LEDGER in tx.info or later.waits(tx)


def changes(tx: AsyncSession, table: type[R], fits: Callable[[R], bool]) -> bool:
    """Tell whether a row of a table that fits waits to be written."""
    waiting = [row for row, _ in of(tx).changed.values()] if _LEDGER in tx.info else []
    return any(isinstance(row, table) and fits(row) for row in waiting)


def tells(tx: AsyncSession, stop_id: UUID, kinds: Collection[str]) -> bool:
    """Tell whether an event of these kinds at a stop waits to be written."""
    waiting = of(tx).events if _LEDGER in tx.info else []
    return any(event.stop_id == stop_id and event.kind in kinds for event in waiting)


def tear_out(tx: AsyncSession) -> None:
    """Forget what was not written yet: its savepoint is undone."""
    tx.info.pop(_LEDGER, None)
    later.forget(tx)


async def write(tx: AsyncSession) -> None:
    """Write everything that waits, in one statement with whatever else goes out later."""
    ledger, now = cast("Ledger | None", tx.info.pop(_LEDGER, None)), tx.info["now"]
    if ledger is not None:
        if ledger.entries:
            later.put(tx, _ENTRIES, now, as_json(ledger.entries))
            later.put(tx, _PENDING, [entry.id for entry in ledger.entries])
        if ledger.openings:
            later.put(tx, _OPENINGS, as_json(ledger.openings))
        if ledger.events:
            later.put(tx, _EVENTS, now, as_json(ledger.events))
        for (table, names), rows in sorted(_alike(ledger.changed.values()).items(), key=_form):
            values = [[getattr(row, name) for row in rows] for name in names]
            later.put(tx, _update(table, names), *_bound(table, names, values))
    await later.send(tx)


_ENTRIES = """
INSERT INTO audit_entry
  (at, id, leaf, leaf_hash, entity, entity_id, n, action, actor_type, actor_id)
SELECT $1::timestamptz, id, decode(leaf, 'base64'), decode(leaf_hash, 'base64'), entity,
       entity_id, n, action, actor_type, actor_id
FROM json_to_recordset($2::text::json)
  AS x(id uuid, leaf text, leaf_hash text, entity text, entity_id text, n int, action text,
       actor_type text, actor_id text)
"""
_PENDING = "INSERT INTO audit_pending (entry_id, quarantined) SELECT unnest($1::uuid[]), false"
_OPENINGS = """
INSERT INTO audit_opening (entry_id, entity, entity_id, openings)
SELECT entry_id, entity, entity_id, openings FROM json_to_recordset($1::text::json)
  AS x(entry_id uuid, entity text, entity_id text, openings jsonb)
"""
_EVENTS = """
INSERT INTO stop_event
  (known, id, stop_id, version, kind, source, actor_id, device_id, mutation_id, outcome,
   policy_version, happened, uncertainty_ms, bounded, body, fix, findings, evidence, device_wall,
   entry)
SELECT
  $1::timestamptz, id, stop_id, version, kind, source, actor_id, device_id, mutation_id, outcome,
  policy_version, happened, uncertainty_ms, bounded, body, fix, findings, evidence, device_wall,
  decode(entry, 'base64')
FROM json_to_recordset($2::text::json)
  AS x(id uuid, stop_id uuid, version int, kind text, source text, actor_id text, device_id uuid,
       mutation_id uuid, outcome text, policy_version int, happened timestamptz,
       uncertainty_ms int, bounded boolean, body jsonb, fix jsonb, findings jsonb, evidence jsonb,
       device_wall timestamptz, entry text)
"""


_Shape = tuple[type[Audited], tuple[str, ...]]


def _alike(changed: Iterable[tuple[Audited, set[str]]]) -> dict[_Shape, list[Audited]]:
    """Put rows together in which the same columns of the same table change."""
    groups: dict[_Shape, list[Audited]] = defaultdict(list)
    for row, names in changed:
        groups[type(row), ("id", *sorted(names))].append(row)
    return groups


def _form(group: tuple[_Shape, list[Audited]]) -> tuple[str, tuple[str, ...]]:
    """Order groups, so that the same changes always make the same statement."""
    (table, names), _ = group
    return str(table.__tablename__), names


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
