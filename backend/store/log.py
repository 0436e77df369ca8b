"""Queries of the audit log: pending entries, leaves, the tree, and what exports read."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import and_, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.tables.audit import (
    AuditCheckpoint,
    AuditEntry,
    AuditLeaf,
    AuditOpening,
    AuditPending,
    AuditTree,
)
from backend.tables.base import AUDITED

READ_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending entry."""

    id: UUID
    leaf: bytes
    leaf_hash: bytes
    entity: str
    entity_id: str
    n: int


async def anything_pending(tx: AsyncSession) -> bool:
    """Tell whether there is anything to seal."""
    query = select(col(AuditPending.entry_id)).where(col(AuditPending.quarantined).is_(False))
    return await tx.scalar(query.limit(1)) is not None


async def lock_tree(tx: AsyncSession, origin: str) -> tuple[int, bytes]:
    """Hold the tree against other sealers; return its size and frontier."""
    empty = insert(AuditTree).values(origin=origin, size=0, frontier=b"")
    await tx.execute(empty.on_conflict_do_nothing())
    query = select(col(AuditTree.size), col(AuditTree.frontier)).where(
        col(AuditTree.origin) == origin
    )
    row = (await tx.execute(query.with_for_update())).one()
    return row[0], row[1]


async def tree(tx: AsyncSession, origin: str) -> tuple[int, bytes]:
    """Return the tree's size and frontier as this transaction sees them."""
    query = select(col(AuditTree.size), col(AuditTree.frontier)).where(
        col(AuditTree.origin) == origin
    )
    row = (await tx.execute(query)).one_or_none()
    return (0, b"") if row is None else (row[0], row[1])


async def advance_tree(
    tx: AsyncSession, origin: str, old_size: int, size: int, frontier: bytes
) -> bool:
    """Move the tree on from ``old_size``; False if somebody else has done so."""
    result = await tx.execute(
        update(AuditTree)
        .where(col(AuditTree.origin) == origin, col(AuditTree.size) == old_size)
        .values(size=size, frontier=frontier)
        .returning(col(AuditTree.size))
    )
    return result.one_or_none() is not None


async def claim(tx: AsyncSession, limit: int) -> list[Waiting]:
    """Take pending entries, oldest first.

    In two statements: joined, the planner may read the whole log to find its newest thousand.
    """
    pending = (
        select(col(AuditPending.entry_id))
        .where(col(AuditPending.quarantined).is_(False))
        .order_by(col(AuditPending.entry_id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await tx.scalars(pending)).all())
    query = text(
        "SELECT id, leaf, leaf_hash, entity, entity_id, n FROM audit_entry"
        " WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id"
    )
    return [Waiting(*row) for row in (await tx.execute(query, {"ids": ids})).all()]


async def claim_predecessors(tx: AsyncSession, claimed: Sequence[Waiting]) -> list[Waiting]:
    """Take pending entries that come right before claimed ones in their entity's chain."""
    here = {(item.entity, item.entity_id, item.n) for item in claimed}
    before = {(entity, entity_id, n - 1) for entity, entity_id, n in here if n > 1} - here
    if not before:
        return []
    # One index look-up each; a list of 1,000 places in an IN would be compared with every row.
    query = text(
        "SELECT e.id, e.leaf, e.leaf_hash, e.entity, e.entity_id, e.n"
        " FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:ns AS int[]))"
        " AS before(entity, entity_id, n)"
        " JOIN audit_entry e USING (entity, entity_id, n)"
        " JOIN audit_pending p ON p.entry_id = e.id"
        " WHERE NOT p.quarantined FOR UPDATE OF p"
    )
    kinds, ids, numbers = zip(*before, strict=True)
    asked = {"kinds": list(kinds), "ids": list(ids), "ns": list(numbers)}
    return [Waiting(*row) for row in (await tx.execute(query, asked)).all()]


async def add_leaves(tx: AsyncSession, first: int, entries: Sequence[Waiting]) -> None:
    """Give entries their places in the tree; they are pending no more."""
    places = range(first, first + len(entries))
    ids = [item.id for item in entries]
    await tx.execute(
        text(
            "INSERT INTO audit_leaf (index, entry_id, leaf_hash) SELECT * FROM unnest("
            "CAST(:places AS bigint[]), CAST(:ids AS uuid[]), CAST(:hashes AS bytea[]))"
        ),
        {"places": list(places), "ids": ids, "hashes": [item.leaf_hash for item in entries]},
    )
    await tx.execute(
        text("DELETE FROM audit_pending WHERE entry_id = ANY(CAST(:ids AS uuid[]))"), {"ids": ids}
    )


async def quarantine(tx: AsyncSession, ids: Sequence[UUID]) -> None:
    """Set entries aside whose bytes are not what was recorded."""
    await tx.execute(
        update(AuditPending).where(col(AuditPending.entry_id).in_(ids)).values(quarantined=True)
    )


async def pending(tx: AsyncSession) -> tuple[int, int]:
    """Count what waits, and what is set aside."""
    aside = func.count().filter(col(AuditPending.quarantined))
    row = (await tx.execute(select(func.count() - aside, aside).select_from(AuditPending))).one()
    return row[0], row[1]


async def keep_checkpoint(tx: AsyncSession, size: int, note: str, now: datetime) -> None:
    """Keep a signed checkpoint; the same one again is no news."""
    values = insert(AuditCheckpoint).values(size=size, note=note, signed_at=now)
    await tx.execute(values.on_conflict_do_nothing())


async def checkpoint(tx: AsyncSession, size: int) -> str | None:
    """Return the signed checkpoint of a tree size, if there is one."""
    query = select(col(AuditCheckpoint.note)).where(col(AuditCheckpoint.size) == size)
    return (await tx.execute(query)).scalar_one_or_none()


async def range_of(tx: AsyncSession, start: datetime, end: datetime, size: int) -> tuple[int, int]:
    """Return first leaf and count of the smallest run holding every entry of a period."""
    query = (
        select(func.min(col(AuditLeaf.index)), func.max(col(AuditLeaf.index)))
        .join(AuditEntry, col(AuditEntry.id) == col(AuditLeaf.entry_id))
        .where(col(AuditEntry.at) >= start, col(AuditEntry.at) < end, col(AuditLeaf.index) < size)
    )
    first, last = cast("tuple[int | None, int | None]", tuple((await tx.execute(query)).one()))
    return (0, 0) if first is None or last is None else (first, last - first + 1)


async def leaf_hashes(tx: AsyncSession, low: int, high: int) -> AsyncIterator[list[bytes]]:
    """Stream leaf hashes in leaf order, some thousands at a time."""
    for start in range(low, high, READ_AT_ONCE):
        index = col(AuditLeaf.index)
        query = (
            select(col(AuditLeaf.leaf_hash))
            .where(index >= start, index < min(start + READ_AT_ONCE, high))
            .order_by(index)
        )
        yield list((await tx.scalars(query)).all())


async def sealed_lines(tx: AsyncSession, low: int, high: int) -> AsyncIterator[list[bytes]]:
    """Stream the sealed bytes of entries in leaf order."""
    for start in range(low, high, READ_AT_ONCE):
        index = col(AuditLeaf.index)
        query = (
            select(col(AuditEntry.leaf))
            .join(AuditLeaf, col(AuditLeaf.entry_id) == col(AuditEntry.id))
            .where(index >= start, index < min(start + READ_AT_ONCE, high))
            .order_by(index)
        )
        yield list((await tx.scalars(query)).all())


async def openings(
    tx: AsyncSession, low: int, high: int
) -> AsyncIterator[tuple[int, dict[str, list[str]]]]:
    """Stream the openings that were not erased, in leaf order."""
    for start in range(low, high, READ_AT_ONCE):
        index = col(AuditLeaf.index)
        query = (
            select(index, col(AuditOpening.openings))
            .join(AuditOpening, col(AuditOpening.entry_id) == col(AuditLeaf.entry_id))
            .where(index >= start, index < min(start + READ_AT_ONCE, high))
            .order_by(index)
        )
        for row in (await tx.execute(query)).all():
            yield row[0], row[1]


async def erase_openings(tx: AsyncSession, entities: Sequence[tuple[str, UUID]]) -> int:
    """Delete the openings of all entries about these entities; return how many entries had some."""
    whose = [(entity, str(entity_id)) for entity, entity_id in entities]
    result = await tx.execute(
        delete(AuditOpening)
        .where(tuple_(col(AuditOpening.entity), col(AuditOpening.entity_id)).in_(whose))
        .returning(col(AuditOpening.entry_id))
    )
    return len(result.all())


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry in a list; ``index`` is its leaf, None while it is pending."""

    id: UUID
    at: datetime
    leaf: bytes
    leaf_hash: bytes
    index: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries to list."""

    entity: str | None = None
    entity_id: str | None = None
    actor_type: str | None = None
    actor_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, UUID] | None = None


async def entries(tx: AsyncSession, asked: Asked, limit: int) -> list[Listed]:
    """List entries, newest last."""
    entry = AuditEntry
    wanted = (
        (col(entry.entity), asked.entity),
        (col(entry.entity_id), asked.entity_id),
        (col(entry.actor_type), asked.actor_type),
        (col(entry.actor_id), asked.actor_id),
    )
    conditions = [column == value for column, value in wanted if value is not None]
    if asked.entity is None and asked.entity_id is not None:
        # The index begins with the kind: an id alone would be looked for in the whole log.
        conditions.append(col(entry.entity).in_(sorted(AUDITED)))
    if asked.start is not None:
        conditions.append(col(entry.at) >= asked.start)
    if asked.end is not None:
        conditions.append(col(entry.at) < asked.end)
    if asked.after is not None:
        conditions.append(tuple_(col(entry.at), col(entry.id)) > tuple_(*asked.after))
    query = (
        select(
            col(entry.id),
            col(entry.at),
            col(entry.leaf),
            col(entry.leaf_hash),
            col(AuditLeaf.index),
        )
        .outerjoin(AuditLeaf, col(AuditLeaf.entry_id) == col(entry.id))
        .where(and_(True, *conditions))
        .order_by(col(entry.at), col(entry.id))
        .limit(limit)
    )
    return [Listed(*row) for row in (await tx.execute(query)).all()]
