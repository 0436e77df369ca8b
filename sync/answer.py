"""Answering a call: what it brought is taken in, then what it lacks is read as one moment saw it.

A call that brings something is answered within the transaction that takes its last chunk in: once
that transaction holds the scope's counter nothing else of the scope can be committed, so what it
reads is what a snapshot after it would be (decision 0014). A call that only asks reads a snapshot.
"""

from dataclasses import dataclass
from datetime import timedelta

from msgspec import UNSET, UnsetType

from backend.clock import rfc3339
from backend.domain.watch import is_off, off_by
from backend.identity.access import TokenInvalid
from backend.identity.callers import calling
from backend.keys import Keys
from backend.store import devices, feed, manifests
from backend.store.database import Database, Tx, moment, settle
from backend.store.devices import Journal
from backend.store.manifests import Standing
from sync import contact
from sync.call import Call
from sync.cursor import Cursor
from sync.pull import Digests, Pulled, held_at, pull
from sync.push import Pushed, push
from sync.receipts import Reply, WarningOut


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers calls."""

    db: Database
    keys: Keys
    digests: Digests

    async def answer(self, call: Call) -> Reply:
        """Take in what the phone did, and tell it what changed.

        Raises:
            TokenInvalid: there is no such device.
            Unavailable: a fault that will pass did not.
        """
        if not call.batch:
            return await self._tell(call)

        async def finish(tx: Tx, journal: Journal, pushed: Pushed) -> Reply:
            contact.note(journal, call, pushed.receipts, moment(tx))
            devices.keep_journal(tx, journal)
            await settle(tx, holding=feed.driver_scope(journal.device.driver_id))
            return await self._reply(tx, call, await _standing(tx, call), pushed)

        return await push(self.db, self.keys, call, finish)

    async def _tell(self, call: Call) -> Reply:
        """Answer a phone that only asks."""
        async with self.db.snapshot() as tx:
            standing = await _standing(tx, call)
            reply = await self._reply(tx, call, standing, Pushed())
            due = contact.is_due(standing.seen_at, moment(tx))
        if due:
            await _note_contact(self.db, call)
        return reply

    async def _reply(self, tx: Tx, call: Call, standing: Standing, pushed: Pushed) -> Reply:
        """Read a reply; nothing of the scope may change meanwhile."""
        device = calling(standing.device)
        here = Cursor(standing.epoch, feed.driver_scope(device.driver_id), standing.v)
        pulled: Pulled | None = None
        if call.pull and not device.revoked:
            held = held_at(call.cursor, here, standing.floor)
            pulled = await pull(tx, self.keys, self.digests, here, held)
        return Reply(
            server_time=rfc3339(moment(tx)),
            epoch=standing.epoch,
            acked_n=standing.acked_n,
            need_from=pushed.need_from,
            receipts=pushed.receipts,
            evidence_wanted=[] if device.revoked else standing.wanted,
            wipe="after_flush" if device.revoked else UNSET,
            warnings=_warnings(call.ahead),
            **(pulled.members() if pulled else {}),
        )


async def _standing(tx: Tx, call: Call) -> Standing:
    standing = await manifests.standing(tx, call.device_id)
    if standing is None:
        raise TokenInvalid
    return standing


async def _note_contact(db: Database, call: Call) -> None:
    async with db.begin() as tx:
        journal = await devices.lock_journal(tx, call.device_id)
        if journal is not None:
            contact.note(journal, call, (), moment(tx))
            devices.keep_journal(tx, journal)


def _warnings(ahead: timedelta | None) -> list[WarningOut] | UnsetType:
    """Tell the driver if his clock is so wrong that he should set it."""
    if ahead is None or not is_off(ahead):
        return UNSET
    told = f"this phone's clock is {off_by(ahead)}; set it to network time"
    return [WarningOut("clock_skew", told)]
