"""What follows a recorded change: the driver's feed, the depot's, and the stop's timeline.

It hangs on the one writer, so that no use case can change a stop and forget to tell the phone.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from msgspec import Struct, field
from sqlalchemy.ext.asyncio import AsyncSession

from backend.domain.people import Actor
from backend.ids import new_id
from backend.store import feed, ledger
from backend.store.database import moment
from backend.store.ledger import EventLine
from backend.tables.base import Audited
from backend.tables.fleet import Driver
from backend.tables.inbox import InboxItem
from backend.tables.plans import Route
from backend.tables.stops import Stop


class Witness(Struct, frozen=True):
    """What the timeline keeps of an event beyond the change itself.

    ``body`` is the validated body as the wire had it, ``fix`` the position, ``findings`` and
    ``evidence`` their wire form; ``id`` lets the caller choose the event's id.
    """

    outcome: str = "applied"
    id: UUID | None = None
    kind: str | None = None
    device_id: UUID | None = None
    mutation_id: UUID | None = None
    policy_version: int | None = None
    uncertainty_ms: int | None = None
    bounded: bool = False
    device_wall: datetime | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    fix: Mapping[str, Any] | None = None
    findings: tuple[Mapping[str, Any], ...] = ()
    evidence: tuple[Mapping[str, Any], ...] = ()


def follow(
    tx: AsyncSession,
    actor: Actor,
    action: str,
    occurred: datetime | None,
    row: Audited,
    before: Mapping[str, object],
    witness: Witness | None,
) -> None:
    """Carry a recorded change into the feed and the timeline."""
    match row:
        case Stop():
            _feed(tx, "stop", row.id, before, row.manifest_driver_id)
            _board(tx, row, cast("UUID | None", before.get("route_id")))
            happened = occurred or moment(tx)
            told = _event(actor, action, happened, row, witness or Witness())
            ledger.of(tx).events.append(told)
        case Route():
            _feed(tx, "route", row.id, before, row.manifest_driver_id)
            feed.touch(tx, feed.board_of(row.id), "route", str(row.id))
        case InboxItem() if row.depot_id is not None:
            is_gone = row.state != "open"
            feed.touch(tx, feed.depot_scope(row.depot_id), "inbox", str(row.id), gone=is_gone)
        case Driver():
            for name in ("reasons", "settings"):
                feed.touch(tx, feed.driver_scope(row.id), name, name)
        case _:
            pass


def _feed(
    tx: AsyncSession, kind: str, id_: UUID, before: Mapping[str, object], holder: UUID | None
) -> None:
    """Put the entity on its holder's feed, and take it off the former holder's."""
    former = cast("UUID | None", before.get("manifest_driver_id"))
    if former is not None and former != holder:
        feed.touch(tx, feed.driver_scope(former), kind, str(id_), gone=True)
    if holder is not None:
        feed.touch(tx, feed.driver_scope(holder), kind, str(id_))


def _board(tx: AsyncSession, stop: Stop, former: UUID | None) -> None:
    """Show the stop on its depot's board, and no longer where its former route is."""
    if former is not None and former != stop.route_id:
        feed.touch(tx, feed.board_of(former), "stop", str(stop.id), gone=True)
    feed.touch(tx, feed.board_of(stop.route_id), "stop", str(stop.id))


def _event(
    actor: Actor, action: str, happened: datetime, stop: Stop, witness: Witness
) -> EventLine:
    return EventLine(
        id=witness.id or new_id(),
        stop_id=stop.id,
        version=stop.version,
        kind=witness.kind or action,
        source=actor.type.value,
        actor_id=actor.id,
        device_id=witness.device_id,
        mutation_id=witness.mutation_id,
        outcome=witness.outcome,
        policy_version=witness.policy_version,
        happened=happened,
        uncertainty_ms=witness.uncertainty_ms,
        bounded=witness.bounded,
        body=witness.body,
        fix=witness.fix or None,
        findings=witness.findings,
        evidence=witness.evidence,
        device_wall=witness.device_wall,
        entry=stop.entry,
    )
