"""What must follow where a fact contradicted what was decided: opened once, done once."""

from collections.abc import Collection
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.follow_up import FollowUpKind, FollowUpState
from backend.domain.people import SYSTEM, Actor
from backend.errors import NotFound
from backend.ids import new_id
from backend.store import follow_ups as store
from backend.store import inbox
from backend.store.database import Tx, moment
from backend.tables.follow_ups import FollowUp


async def open_follow_up(tx: Tx, kind: FollowUpKind, stop_id: UUID, mutation_id: UUID) -> None:
    """Open the task of a cause, once; opening it again, even when it is done, is harmless.

    The caller holds the stop.

    Raises:
        LookupError: there is no such stop.
    """
    if await store.is_open_or_done(tx, stop_id, kind, mutation_id):
        return
    depot_id = await inbox.depot_concerned(tx, stop_id, None)
    if depot_id is None:
        raise LookupError(f"stop {stop_id} is on no depot's ground")
    change = {
        "stop_id": stop_id,
        "depot_id": depot_id,
        "kind": kind.value,
        "mutation_id": mutation_id,
        "state": FollowUpState.OPEN.value,
        "at": moment(tx),
    }
    cause = f"mutation:{mutation_id}"
    event = Event("follow_up.opened", FollowUp, new_id(), change, cause=cause, create=True)
    await record(tx, SYSTEM, event)
    await tx.flush()


async def finish(tx: Tx, actor: Actor, person_id: UUID, id_: UUID) -> None:
    """Say that a task is done; saying so again is harmless and changes nothing.

    Raises:
        NotFound: there is no such task.
    """
    task = await store.lock(tx, id_)
    if task is None:
        raise NotFound
    await _finish(tx, actor, task, person_id)


async def withdraw(
    tx: Tx, actor: Actor, stop_id: UUID, causes: Collection[UUID], *, doubles: bool
) -> None:
    """Close the tasks of a stop whose causes were taken back; the stop is held.

    ``doubles``: no two deliveries are left, so that nobody has to sort them out either.
    """
    for task in await store.lock_open(tx, stop_id):
        double = doubles and task.kind == FollowUpKind.DUPLICATE_DELIVERY
        if double or task.mutation_id in causes:
            await _finish(tx, actor, task, None)


async def _finish(tx: Tx, actor: Actor, task: FollowUp, person_id: UUID | None) -> None:
    if task.state == FollowUpState.DONE:
        return
    change = {
        "state": FollowUpState.DONE.value,
        "done_at": moment(tx),
        "done_by": person_id,
    }
    await record(tx, actor, Event("follow_up.finished", FollowUp, task.id, change))
