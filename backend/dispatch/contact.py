"""Phones that fell silent with something to tell."""

from datetime import timedelta
from uuid import UUID

from backend.clock import rfc3339
from backend.dispatch.inbox import ask_no_more, open_item
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM
from backend.store import contact
from backend.store.database import Tx, moment

# A phone that was only enrolled anew has sent its old journal by then.
PATIENCE = timedelta(hours=1)
_AT_ONCE = 50


async def ask_about_replaced(tx: Tx) -> int:
    """Ask once about each phone whose reinstall may have taken unsent events with it.

    The question of one that is heard again closes by itself.
    """
    for device_id in await contact.back(tx, limit=_AT_ONCE):
        await ask_no_more(tx, SYSTEM, None, _subject(device_id))
    found = await contact.replaced(tx, moment(tx) - PATIENCE, limit=_AT_ONCE)
    for phone in found:
        since = phone.oldest_pending_at or phone.seen_at
        await open_item(
            tx,
            kind=InboxKind.LOST_EVENTS,
            subject=_subject(phone.device_id),
            detail=f"possibly lost: {phone.pending} events since {rfc3339(since)}; the phone was "
            f"last heard at {rfc3339(phone.seen_at)}, and its driver has installed the app anew",
            device_id=phone.device_id,
        )
    return len(found)


def _subject(device_id: UUID) -> str:
    return f"replaced:{device_id}"
