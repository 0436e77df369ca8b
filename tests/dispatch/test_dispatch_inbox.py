"""One question per cause, answered once."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from backend.dispatch.inbox import InboxActionUnknown, open_item, resolve
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Role
from backend.errors import NotFound
from backend.identity.people import add_person
from backend.ids import new_id
from backend.store import inbox as store
from backend.store.database import Database
from backend.tables.inbox import InboxItem
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio


async def ask(db: Database, subject: str) -> None:
    """Open an item in a transaction of its own."""
    async with db.begin() as tx:
        await open_item(tx, kind=InboxKind.CONFLICT, subject=subject, detail="two truths")


async def test_many_at_once_open_one_item(db: Database) -> None:
    """Ten transactions with the same subject leave one item."""
    subject = f"conflict:{new_id()}"
    await asyncio.gather(*(ask(db, subject) for _ in range(10)))
    async with db.snapshot() as tx:
        query = select(func.count()).where(col(InboxItem.subject) == subject)
        assert await tx.scalar(query) == 1


async def test_an_item_finds_its_depot_by_stop_or_device(db: Database) -> None:
    """So that the right supervisors see it."""
    made = await a_round(db, "standard")
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CODE_LOCKED,
            subject=f"test:{made.route}:stop",
            detail="odd",
            stop_id=made.stops["standard"],
        )
        await open_item(
            tx,
            kind=InboxKind.QUARANTINED,
            subject=f"test:{made.route}:device",
            detail="odd",
            device_id=made.device,
        )
    async with db.snapshot() as tx:
        found = await store.items(tx, state="open", depots={made.depot}, after=None, limit=10)
    assert len(found) == 2
    assert all("acknowledged" in item.actions for item in found)


async def test_an_answer_is_given_once(db: Database) -> None:
    """The second answer changes nothing; an answer that is not offered is refused."""
    subject = f"conflict:{new_id()}"
    await ask(db, subject)
    async with db.begin() as tx:
        person = await add_person(tx, f"{new_id().hex}@example.org", Role.SUPERVISOR, [], "x")
        item = await store.lock_subject(tx, subject)
        assert item is not None
        with pytest.raises(InboxActionUnknown):
            await resolve(tx, SYSTEM, person, item.id, "deleted", None)
        await resolve(tx, SYSTEM, person, item.id, "acknowledged", "seen")
        version = item.version
        await resolve(tx, SYSTEM, person, item.id, "acknowledged", "seen again")
        assert (item.state, item.note, item.version) == ("resolved", "seen", version)
    await ask(db, subject)
    async with db.snapshot() as tx:
        again = await store.item(tx, item.id)
    assert again is not None
    assert again.state == "resolved"


async def test_an_unknown_item_is_not_found(db: Database) -> None:
    """Nobody has it."""
    with pytest.raises(NotFound):
        async with db.begin() as tx:
            await resolve(tx, SYSTEM, new_id(), new_id(), "acknowledged", None)
