"""What needs a person: conflicts, refusals, overdue evidence, locked codes."""

from collections.abc import Collection
from contextlib import suppress
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
from backend.domain.inbox import ACCEPTED, InboxState
from backend.domain.people import Role
from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.keys import Keys
from backend.store import follow_ups
from backend.store import inbox as store
from backend.store.database import Database, Tx
from backend.store.follow_ups import Task
from backend.store.inbox import Item
from backend.wire.json import read_json
from sync.accepted import accept
from web.console.follow_ups import FollowUpOut, follow_ups_out
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id
from web.query import word_of

_TEXT = r"^[^\x00]*$"


class ResolveIn(msgspec.Struct, frozen=True):
    """An answer to an item."""

    action: Annotated[str, Meta(min_length=1, max_length=100, pattern=_TEXT)]
    note: Annotated[str, Meta(max_length=1_000, pattern=_TEXT)] | None = None


class ItemOut(msgspec.Struct, frozen=True):
    """An inbox item. ``reference`` is the goods', ``driver`` the name of who told, or drives."""

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
    follow_ups: list[FollowUpOut]
    reference: str | None
    driver: str | None


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
            tasks = await tasks_of(tx, shown)
        return Page([item_out(item, tasks[item.id]) for item in shown], following)

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
        keys: NamedDependency[Keys],
    ) -> ItemOut:
        """Answer an item; answering again is harmless."""
        person.must_be(Role.SUPERVISOR)
        known = await find_item(db, person, the_id(item_id))
        asked = await read_json(request, ResolveIn)
        item = await resolve_item(db, keys, person, known, asked)
        async with db.snapshot() as tx:
            tasks = await tasks_of(tx, [item])
        return item_out(item, tasks[item.id])


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


async def resolve_item(
    db: Database, keys: Keys, person: SignedIn, known: Item, asked: ResolveIn
) -> Item:
    """Answer an item, do what the answer says, and return it as it is now.

    The item is held after phone and stop, as by a push. Where somebody else has answered it
    meanwhile, nothing of this answer is done.
    """
    with suppress(_AnsweredMeanwhile):
        async with db.begin() as tx:
            if asked.action == ACCEPTED and known.state == InboxState.OPEN:
                await accept(tx, keys, known.device_id, known.mutation_id)
            if not await inbox.resolve(
                tx, person.actor, person.id, known.id, asked.action, asked.note
            ):
                raise _AnsweredMeanwhile
    return await find_item(db, person, known.id)


class _AnsweredMeanwhile(Exception):
    """Rolls an answer back that came second."""


async def tasks_of(tx: Tx, items: Collection[Item]) -> dict[UUID, list[Task]]:
    """Return what follows from each item's mutation at its stop, by item."""
    named = {item.mutation_id for item in items if item.mutation_id is not None}
    found = await follow_ups.of_mutations(tx, named)
    return {
        item.id: [
            task
            for task in (found.get(item.mutation_id, []) if item.mutation_id else [])
            if task.stop_id == item.stop_id
        ]
        for item in items
    }


def item_out(item: Item, tasks: Collection[Task] = ()) -> ItemOut:
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
        follow_ups=follow_ups_out(tasks),
        reference=item.reference,
        driver=item.driver,
    )
