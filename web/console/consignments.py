"""The list of consignments: ``GET /console/v1/consignments``."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from backend.domain.consignment import ConsignmentState
from backend.identity.people import SignedIn
from backend.keys import Keys, tracking_token
from backend.settings import Settings
from backend.store import consignments as store
from backend.store.database import Database
from web.paging import PAGE, Page, page, read_id_cursor
from web.query import read_date, word_of


class ConsignmentItem(msgspec.Struct, frozen=True):
    """A consignment with its visits and the customer's link."""

    id: UUID
    reference: str
    depot: str
    date: str
    segment: str
    segment_reason: str
    state: str
    tracking_url: str
    stops: list[UUID]
    attempts: int


class ConsignmentController(Controller):
    """Goods and their fate."""

    path = "/consignments"

    @get(operation_id="listConsignments")
    async def consignments(
        self,
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        settings: NamedDependency[Settings],
        person: NamedDependency[SignedIn],
        reference: FromQuery[str | None] = None,
        depot: FromQuery[str | None] = None,
        in_state: Annotated[str | None, QueryParameter(name="state")] = None,
        date: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[ConsignmentItem]:
        """Return a page of what the person may see, in the order it came in."""
        state = word_of("state", in_state, ConsignmentState)
        if "\0" in f"{reference}{depot}":
            return Page([])
        sought = store.Sought(
            person.scope, reference or None, state, read_date(date), depot or None
        )
        async with db.snapshot() as tx:
            rows = await store.listed(tx, sought, read_id_cursor(after), PAGE + 1)
            shown, cursor = page(rows, lambda row: (str(row.id),))
            stops = await store.stops_of(tx, [row.id for row in shown])
        base = settings.base_url
        items = [
            ConsignmentItem(
                id=row.id,
                reference=row.reference,
                depot=row.depot,
                date=row.date.isoformat(),
                segment=row.segment,
                segment_reason=row.segment_reason,
                state=row.state,
                tracking_url=f"{base}/t/{tracking_token(keys.master, row.id)}",
                stops=stops.get(row.id, []),
                attempts=row.attempts,
            )
            for row in shown
        ]
        return Page(items, cursor)
