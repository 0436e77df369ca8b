"""Follow-ups: one of a kind for each cause, done once by whoever says so first."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from backend.dispatch.follow_ups import finish, open_follow_up
from backend.dispatch.inbox import open_item, resolve
from backend.domain.follow_up import FollowUpKind
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Role
from backend.errors import NotFound
from backend.identity.people import add_person
from backend.ids import new_id
from backend.store import dispatch, inbox
from backend.store import follow_ups as store
from backend.store.database import Database
from backend.tables.audit import AuditEntry
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio


@pytest.fixture
async def made(db: Database) -> Round:
    """A released route with one stop."""
    return await a_round(db, "economy")


async def a_supervisor(db: Database) -> UUID:
    """Add somebody who may answer."""
    async with db.begin() as tx:
        return await add_person(tx, f"{new_id().hex}@example.org", Role.SUPERVISOR, [], "x")


async def opened(db: Database, made: Round, kind: FollowUpKind, cause: UUID) -> None:
    """Open a follow-up as a judged mutation does: with the stop held."""
    async with db.begin() as tx:
        await dispatch.lock_stop(tx, made.stops["economy"])
        await open_follow_up(tx, kind, made.stops["economy"], cause)


async def test_a_cause_opens_one_follow_up_of_a_kind(db: Database, made: Round) -> None:
    """However often and from however many sides it is opened, and after it was done."""
    cause, person = uuid4(), await a_supervisor(db)
    await asyncio.gather(*(opened(db, made, FollowUpKind.RETURN, cause) for _ in range(4)))
    await opened(db, made, FollowUpKind.CALL, cause)
    await opened(db, made, FollowUpKind.RETURN, uuid4())
    async with db.snapshot() as tx:
        tasks = (await store.of_mutations(tx, [cause]))[cause]
    assert sorted(task.kind for task in tasks) == ["call", "return"]
    async with db.begin() as tx:
        await finish(tx, SYSTEM, person, tasks[0].id)
    await opened(db, made, FollowUpKind(tasks[0].kind), cause)
    async with db.snapshot() as tx:
        again = (await store.of_mutations(tx, [cause]))[cause]
    assert [task.state for task in again] == ["done", "open"]


async def test_a_task_is_done_once_whoever_says_so_at_the_same_time(
    db: Database, made: Round
) -> None:
    """Both are told that it is done; the log says it once."""
    cause = uuid4()
    await opened(db, made, FollowUpKind.RETURN, cause)
    async with db.snapshot() as tx:
        (task,) = (await store.of_mutations(tx, [cause]))[cause]
    people = [await a_supervisor(db) for _ in range(4)]

    async def done(person: UUID) -> None:
        async with db.begin() as tx:
            await finish(tx, SYSTEM, person, task.id)

    await asyncio.gather(*(done(person) for person in people))
    assert await entries(db, "follow_up.finished", task.id) == 1


async def test_a_question_is_answered_once_whoever_answers_at_the_same_time(
    db: Database, made: Round
) -> None:
    """Both are told that it is answered; the log says it once."""
    subject = f"mutation:{uuid4()}"

    async def asked() -> None:
        async with db.begin() as tx:
            await open_item(
                tx,
                kind=InboxKind.CONFLICT,
                subject=subject,
                detail="odd",
                stop_id=made.stops["economy"],
            )

    await asyncio.gather(*(asked() for _ in range(4)))
    async with db.begin() as tx:
        item = await inbox.lock_subject(tx, subject)
        assert item is not None
        item_id = item.id
    people = [await a_supervisor(db) for _ in range(4)]

    async def answered(person: UUID) -> None:
        async with db.begin() as tx:
            await resolve(tx, SYSTEM, person, item_id, "acknowledged", None)

    await asyncio.gather(*(answered(person) for person in people))
    assert await entries(db, "inbox_item.resolved", item_id) == 1


async def entries(db: Database, action: str, id_: UUID) -> int:
    """Count the entries of an action about something."""
    async with db.snapshot() as tx:
        query = select(func.count()).where(
            col(AuditEntry.action) == action, col(AuditEntry.entity_id) == str(id_)
        )
        return await tx.scalar(query) or 0


async def test_what_is_not_there_is_not_found(db: Database) -> None:
    """A task that nobody opened cannot be done; a stop that is not there gets none."""
    with pytest.raises(NotFound):
        async with db.begin() as tx:
            await finish(tx, SYSTEM, new_id(), new_id())
    with pytest.raises(LookupError):
        async with db.begin() as tx:
            await open_follow_up(tx, FollowUpKind.CALL, new_id(), new_id())
