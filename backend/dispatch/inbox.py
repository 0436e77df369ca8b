"""The inbox: exactly one open question per cause, answered once by a person."""

from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.inbox import ACKNOWLEDGED, InboxKind, InboxState
from backend.domain.people import SYSTEM, Actor
from backend.errors import InputError, Malformed, NotFound
from backend.ids import new_id
from backend.store import inbox as store
from backend.store.database import Tx, moment
from backend.tables.inbox import InboxItem

_DETAIL_LENGTH = 1_000


class InboxActionUnknown(Malformed):
    """The item offers other answers."""

    code = "inbox_action_unknown"
    title = "The item does not offer this action"


async def open_item(
    tx: Tx,
    *,
    kind: InboxKind,
    subject: str,
    detail: str,
    depot_id: UUID | None = None,
    stop_id: UUID | None = None,
    device_id: UUID | None = None,
    mutation_id: UUID | None = None,
    actions: tuple[str, ...] = (ACKNOWLEDGED,),
) -> None:
    """Ask for a person, once per ``subject``; asking again, even after an answer, is harmless."""
    if not await store.claim_subject(tx, subject):
        return
    depot_id = depot_id or await store.depot_concerned(tx, stop_id, device_id)
    change = {
        "kind": kind.value,
        "subject": subject,
        "state": InboxState.OPEN.value,
        "at": moment(tx),
        "depot_id": depot_id,
        "stop_id": stop_id,
        "device_id": device_id,
        "mutation_id": mutation_id,
        "detail": detail[:_DETAIL_LENGTH],
        "actions": list(dict.fromkeys((*actions, ACKNOWLEDGED))),
    }
    await record(tx, SYSTEM, Event("inbox_item.opened", InboxItem, new_id(), change, create=True))
    await tx.flush()


async def resolve(
    tx: Tx, actor: Actor, person_id: UUID, item_id: UUID, action: str, note: str | None
) -> bool:
    """Answer an item; answering again is harmless and changes nothing.

    Returns whether this answer is the one that counts: False where somebody was first.

    Raises:
        NotFound: there is no such item.
        InboxActionUnknown: the item does not offer this answer.
    """
    item = await store.lock_item(tx, item_id)
    if item is None:
        raise NotFound
    if action not in item.actions:
        offered = f"one of {', '.join(item.actions)}"
        raise InboxActionUnknown(errors=[InputError("/action", "unknown_value", offered)])
    return await _answer(tx, actor, person_id, item, action, note)


async def ask_no_more(tx: Tx, actor: Actor, person_id: UUID | None, subject: str) -> None:
    """Close the question of a subject whose cause is gone; harmless where there is none."""
    item = await store.lock_subject(tx, subject)
    if item is not None:
        await _answer(tx, actor, person_id, item, ACKNOWLEDGED, None)


async def _answer(
    tx: Tx, actor: Actor, person_id: UUID | None, item: InboxItem, action: str, note: str | None
) -> bool:
    if item.state == InboxState.RESOLVED:
        return False
    change = {
        "state": InboxState.RESOLVED.value,
        "resolved_at": moment(tx),
        "resolved_by": person_id,
        "action": action,
        "note": note,
    }
    await record(tx, actor, Event("inbox_item.resolved", InboxItem, item.id, change))
    return True
