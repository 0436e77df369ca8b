"""What a journal notes of a contact: when, how far the phone is, what it still has, its clocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from backend.store.devices import Journal
from backend.store.feed import driver_scope
from sync import clocks
from sync.call import Call
from sync.cursor import Cursor
from sync.pull import held_at
from sync.receipts import Receipt
from sync.wall import read_wall

# A phone that only asks is noted at most this often, so that an idle sync writes nothing.
_EVERY = timedelta(minutes=1)


def is_due(seen_at: datetime | None, now: datetime) -> bool:
    """Tell whether a phone that only asks is to be noted."""
    return seen_at is None or now - seen_at > _EVERY


def note(journal: Journal, call: Call, receipts: Sequence[Receipt], now: datetime) -> None:
    """Note a call in its device's journal; a push has kept the clocks already."""
    journal.seen_at = now
    journal.pending = _left(call, receipts)
    oldest = call.client.oldest_pending_at
    journal.oldest_pending_at = None if journal.pending == 0 else read_wall(oldest)
    if call.ahead is not None:
        journal.skew_ms = call.ahead // timedelta(milliseconds=1)
    here = Cursor(journal.epoch, driver_scope(journal.device.driver_id), journal.v)
    held = held_at(call.cursor, here, journal.floor)
    if held is not None:
        journal.pulled_v = held.v
    if not receipts:
        exchange = call.exchange
        if call.client.pending == 0:
            exchange = replace(exchange, last_n=journal.acked_n)
        journal.clocks = clocks.write(clocks.read(journal.clocks).after(exchange))


def _left(call: Call, receipts: Sequence[Receipt]) -> int | None:
    """Return how much the phone has left: what it said, without what this very call took."""
    taken = sum(receipt.code != "gap" for receipt in receipts)
    pending = call.client.pending
    return None if pending is None else max(pending - taken, 0)
