"""Lists of consignments, for people."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from backend.domain.route import RouteState
from backend.store.database import Tx
from backend.tables.consignments import Consignment
from backend.tables.fleet import Depot
from backend.tables.plans import Route
from backend.tables.stops import Stop


@dataclass(frozen=True, slots=True)
class Sought:
    """What a list of consignments is asked for; None does not narrow it."""

    scope: Collection[UUID] | None
    reference: str | None = None
    state: str | None = None
    date: dt.date | None = None
    depot: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A consignment as a list shows it."""

    id: UUID
    depot: str
    reference: str
    segment: str
    segment_reason: str
    state: str
    date: dt.date
    attempts: int


async def listed(tx: Tx, sought: Sought, after: UUID | None, limit: int) -> list[Listed]:
    """Return a page, in the order of creation."""
    query = (
        select(Consignment, col(Depot.code))
        .join(Depot, col(Depot.id) == col(Consignment.depot_id))
        .order_by(col(Consignment.id))
        .limit(limit)
    )
    for column, value in (
        (col(Consignment.reference), sought.reference),
        (col(Consignment.state), sought.state),
        (col(Consignment.service_date), sought.date),
        (col(Depot.code), sought.depot),
    ):
        if value is not None:
            query = query.where(column == value)
    if sought.scope is not None:
        query = query.where(col(Consignment.depot_id).in_(sought.scope))
    if after is not None:
        query = query.where(col(Consignment.id) > after)
    return [_listed(row, code) for row, code in await tx.execute(query)]


def _listed(row: Consignment, depot: str) -> Listed:
    return Listed(
        row.id,
        depot,
        row.reference,
        row.segment,
        row.segment_reason,
        row.state,
        row.service_date,
        row.attempts,
    )


async def stops_of(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Return the stops of consignments, in the order they were made.

    Visits of plans that gave way were never anybody's: routes do not show them, and neither do we.
    """
    query = (
        select(col(Stop.consignment_id), col(Stop.id))
        .join(Route, col(Route.id) == col(Stop.route_id))
        .where(col(Stop.consignment_id).in_(ids), col(Route.state) != RouteState.SUPERSEDED)
    )
    found: dict[UUID, list[UUID]] = {}
    for consignment_id, stop_id in await tx.execute(query.order_by(col(Stop.id))):
        found.setdefault(consignment_id, []).append(stop_id)
    return found
