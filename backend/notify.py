"""Telling customers: an outbox row with the change that causes it, sent later by the timetable.

A row names the event and the consignment, never an address, a text or a link: whom to tell and how
is looked up when it is sent, so that erasing a contact leaves nothing behind here.
"""

import json
from uuid import UUID

from backend.clock import rfc3339
from backend.domain.policy import Channel, Milestone, Policy
from backend.ids import new_id
from backend.store.database import Tx, moment
from backend.tables.consignments import Consignment
from backend.tables.installation import Outbox


def tell(
    tx: Tx,
    policy: Policy,
    milestone: Milestone,
    consignment: Consignment,
    stop_id: UUID,
    *,
    event: str | None = None,
) -> int:
    """Leave a message for each channel that the policy names and the recipient can be reached by.

    ``event`` names it where it is not the milestone itself; returns how many were left.
    """
    channels = [c for c in policy.notify.get(milestone, ()) if _reaches(c, consignment)]
    for channel in channels:
        tx.add(_message(tx, channel, event or f"stop.{milestone}", consignment.id, stop_id))
    return len(channels)


def _reaches(channel: Channel, consignment: Consignment) -> bool:
    match channel:
        case Channel.SMS:
            return consignment.recipient_phone is not None and consignment.phone_takes_sms
        case Channel.EMAIL:
            return consignment.recipient_email is not None
        case Channel.WEBHOOK:
            return True


def _message(tx: Tx, channel: Channel, event: str, consignment_id: UUID, stop_id: UUID) -> Outbox:
    now = moment(tx)
    payload = {
        "event": event,
        "consignment_id": str(consignment_id),
        "stop_id": str(stop_id),
        "at": rfc3339(now),
    }
    return Outbox(
        id=new_id(), topic=channel.value, payload=json.dumps(payload), due_at=now, created_at=now
    )
