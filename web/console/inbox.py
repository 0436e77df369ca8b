"""What needs a person: conflicts, refusals, overdue evidence, locked codes."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Meta

from backend.clock import rfc3339
from backend.dispatch import inbox
from backend.domain.inbox import InboxState
from backend.domain.people import Role
from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.store import inbox as store
from backend.store.database import Database
from backend.store.inbox import Item
from backend.wire.json import read_json
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id
from web.query import word_of

_TEXT = r"^[^\x00]*$"


class ResolveIn(msgspec.Struct, frozen=True):
    """An answer to an item."""

    action: Annotated[str, Meta(min_length=1, max_length=100, pattern=_TEXT)]
    note: Annotated[str, Meta(max_length=1_000, pattern=_TEXT)] | None = None


class ItemOut(msgspec.Struct, frozen=True):
    """An inbox item."""

    id: UUID
    kind: str
    state: str
    at: str
    stop_id: UUID | None
    device_id: UUID | None
    mutation_id: UUID | None
    detail: str
    actions: list[str]
    resolved_at: str | None
    action: str | None


class InboxController(Controller):
    """The inbox."""

    path = "/inbox"

    @get("/", operation_id="listInbox")
    async def items(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        in_state: Annotated[str | None, QueryParameter(name="state")] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[ItemOut]:
        """List items, oldest first."""
        since, wanted = read_id_cursor(after), word_of("state", in_state, InboxState)
        async with db.snapshot() as tx:
            found = await store.items(
                tx, state=wanted, depots=person.scope, after=since, limit=PAGE + 1
            )
        shown, following = page(found, lambda item: (str(item.id),))
        return Page([item_out(item) for item in shown], following)

    @post(
        "/{item_id:str}/resolve",
        status_code=200,
        operation_id="resolveInboxItem",
        opt={"body": ResolveIn},
    )
    async def resolve(
        self,
        request: Request[None, None, State],
        item_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> ItemOut:
        """Answer an item; answering again is harmless."""
        person.must_be(Role.SUPERVISOR)
        known = await find_item(db, person, the_id(item_id))
        asked = await read_json(request, ResolveIn)
        return item_out(await resolve_item(db, person, known.id, asked))


async def find_item(db: Database, person: SignedIn, item_id: UUID) -> Item:
    """Return an item in the person's scope.

    Raises:
        NotFound: out of scope, or not there.
    """
    async with db.snapshot() as tx:
        item = await store.item(tx, item_id)
    if item is None:
        raise NotFound
    person.must_see(item.depot_id)
    return item


async def resolve_item(db: Database, person: SignedIn, item_id: UUID, asked: ResolveIn) -> Item:
    """Answer an item and return it as it is now."""
    async with db.begin() as tx:
        await inbox.resolve(tx, person.actor, person.id, item_id, asked.action, asked.note)
    return await find_item(db, person, item_id)


def item_out(item: Item) -> ItemOut:
    """Write an item for the wire."""
    return ItemOut(
        id=item.id,
        kind=item.kind,
        state=item.state,
        at=rfc3339(item.at),
        stop_id=item.stop_id,
        device_id=item.device_id,
        mutation_id=item.mutation_id,
        detail=item.detail,
        actions=item.actions,
        resolved_at=rfc3339(item.resolved_at) if item.resolved_at else None,
        action=item.action,
    )
