"""Queries about what happened at a stop, and the evidence that speaks of it."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from backend.tables.evidence import Evidence, EvidenceRef
from backend.tables.plans import Route
from backend.tables.stops import Stop, StopEvent


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a stop's timeline, with both clocks."""

    id: UUID
    version: int
    kind: str
    source: str
    actor_id: str
    device_id: UUID | None
    mutation_id: UUID | None
    outcome: str
    happened: dt.datetime
    uncertainty_ms: int | None
    known: dt.datetime
    device_wall: dt.datetime | None
    body: dict[str, Any]
    findings: list[dict[str, str]]
    evidence: list[dict[str, Any]]
    entry: bytes | None

    @property
    def time_uncertain(self) -> bool:
        """Whether a phone told it, and no clock of ours bounds when it was."""
        return self.mutation_id is not None and self.uncertainty_ms is None


_HAPPENING: tuple[Mapped[Any], ...] = (
    col(StopEvent.id),
    col(StopEvent.version),
    col(StopEvent.kind),
    col(StopEvent.source),
    col(StopEvent.actor_id),
    col(StopEvent.device_id),
    col(StopEvent.mutation_id),
    col(StopEvent.outcome),
    col(StopEvent.happened),
    col(StopEvent.uncertainty_ms),
    col(StopEvent.known),
    col(StopEvent.device_wall),
    col(StopEvent.body),
    col(StopEvent.findings),
    col(StopEvent.evidence),
    col(StopEvent.entry),
)


async def timeline(tx: AsyncSession, stop_id: UUID) -> list[Happening]:
    """Return a stop's events in the order in which they became known."""
    query = select(*_HAPPENING).where(col(StopEvent.stop_id) == stop_id)
    rows = await tx.execute(query.order_by(col(StopEvent.version), col(StopEvent.id)))
    return [Happening(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of evidence that events name; ``verified`` tells whether its bytes are here."""

    sha256: str
    kind: str
    media_type: str
    size: int
    verified: bool


async def evidence_of(tx: AsyncSession, stop_id: UUID) -> list[Shown]:
    """Return the evidence named by those events of a stop that count, once each."""
    arrived = (col(Evidence.sha256) == col(EvidenceRef.sha256)) & (
        col(Evidence.driver_id) == col(EvidenceRef.driver_id)
    )
    query = (
        select(
            col(EvidenceRef.sha256),
            col(EvidenceRef.kind),
            col(EvidenceRef.media_type),
            col(EvidenceRef.size),
            (col(Evidence.id).is_not(None) & col(Evidence.erased_at).is_(None)).label("verified"),
            col(Evidence.media_type),
        )
        .outerjoin(Evidence, arrived)
        .where(col(EvidenceRef.stop_id) == stop_id, col(EvidenceRef.counts))
        .order_by(col(EvidenceRef.kind), col(EvidenceRef.sha256))
    )
    found = {
        row[0]: Shown(row[0], row[1], row[5] or row[2], row[3], bool(row[4]))
        for row in await tx.execute(query)
    }
    return list(found.values())


async def media_type_of(
    tx: AsyncSession, sha256: str, depots: Collection[UUID] | None
) -> str | None:
    """Return the type of verified bytes that belong to a stop of these depots (None: all)."""
    query = (
        select(col(Evidence.media_type))
        .join(
            EvidenceRef,
            (col(EvidenceRef.sha256) == col(Evidence.sha256))
            & (col(EvidenceRef.driver_id) == col(Evidence.driver_id)),
        )
        .join(Stop, col(Stop.id) == col(EvidenceRef.stop_id))
        .join(Route, col(Route.id) == col(Stop.route_id))
        .where(col(Evidence.sha256) == sha256, col(Evidence.erased_at).is_(None))
        .limit(1)
    )
    if depots is not None:
        query = query.where(col(Route.depot_id).in_(depots))
    return await tx.scalar(query)
