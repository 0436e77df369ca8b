"""What must follow where a fact contradicted what was decided, and that it was done."""

from collections.abc import Collection
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from backend.clock import rfc3339
from backend.dispatch import follow_ups
from backend.domain.follow_up import FollowUpState
from backend.domain.people import Role
from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.store import follow_ups as store
from backend.store.database import Database
from backend.store.follow_ups import Task
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id
from web.query import word_of


class FollowUpOut(msgspec.Struct, frozen=True):
    """A follow-up."""

    id: UUID
    kind: str
    state: str
    at: str
    stop_id: UUID
    mutation_id: UUID
    done_at: str | None


class FollowUpController(Controller):
    """The follow-ups."""

    path = "/follow-ups"

    @get("/", operation_id="listFollowUps")
    async def tasks(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        in_state: Annotated[str | None, QueryParameter(name="state")] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[FollowUpOut]:
        """List follow-ups, oldest first."""
        since, wanted = read_id_cursor(after), word_of("state", in_state, FollowUpState)
        async with db.snapshot() as tx:
            found = await store.listed(
                tx, state=wanted, depots=person.scope, after=since, limit=PAGE + 1
            )
        shown, following = page(found, lambda task: (str(task.id),))
        return Page(follow_ups_out(shown), following)

    @post("/{task_id:str}/done", status_code=200, operation_id="finishFollowUp")
    async def done(
        self,
        task_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> FollowUpOut:
        """Say that a follow-up is done; saying so again is harmless."""
        person.must_be(Role.SUPERVISOR)
        (shown,) = follow_ups_out([await finish_task(db, person, the_id(task_id))])
        return shown


async def finish_task(db: Database, person: SignedIn, task_id: UUID) -> Task:
    """Finish a follow-up in the person's scope, and return it as it is now.

    Raises:
        NotFound: out of scope, or not there.
    """
    async with db.snapshot() as tx:
        _see(await store.find(tx, task_id), person)
    async with db.begin() as tx:
        await follow_ups.finish(tx, person.actor, person.id, task_id)
    async with db.snapshot() as tx:
        return _see(await store.find(tx, task_id), person)


def _see(task: Task | None, person: SignedIn) -> Task:
    if task is None:
        raise NotFound
    person.must_see(task.depot_id)
    return task


def follow_ups_out(tasks: Collection[Task]) -> list[FollowUpOut]:
    """Write follow-ups for the wire."""
    return [
        FollowUpOut(
            id=task.id,
            kind=task.kind,
            state=task.state,
            at=rfc3339(task.at),
            stop_id=task.stop_id,
            mutation_id=task.mutation_id,
            done_at=rfc3339(task.done_at) if task.done_at else None,
        )
        for task in tasks
    ]
