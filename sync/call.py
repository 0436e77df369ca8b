"""A phone's call: the device its token names, where it says that it stands, and what it brought."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from sync.clocks import Exchange
from sync.clockwork import Echo
from sync.dating import shown_at
from sync.envelope import Client, Envelope
from sync.moves import moves
from sync.mutations import Heard, hear
from sync.shown import DeviceTime
from sync.wall import ahead_by, read_wall
from sync.words import Millis, Moment


class HeardOfUs(Struct, frozen=True):
    """The last time we told a phone, and what its monotonic clock showed as it heard it."""

    server_time: Moment
    monotonic_ms: Millis


@dataclass(frozen=True, slots=True)
class Call:
    """One call; nothing of it has been held against the database yet.

    ``ahead`` is by how much the phone's wall clock is, however wrong.
    """

    device_id: UUID
    cursor: str | None
    pull: bool
    client: Client
    exchange: Exchange
    batch: Sequence[Heard]
    ahead: timedelta | None = None


def open_call(device_id: UUID, arrived: datetime, envelope: Envelope) -> Call:
    """Read what a phone brought."""
    batch = [hear(raw) for raw in envelope.mutations]
    client = envelope.client
    exchange = _exchange(arrived, client, batch)
    ahead = ahead_by(client.wall, arrived)
    return Call(device_id, envelope.cursor, envelope.pull, client, exchange, batch, ahead)


def _exchange(arrived: datetime, client: Client, batch: Sequence[Heard]) -> Exchange:
    """Read the phone's clocks, and its last number if it says that it keeps nothing back."""
    sent = DeviceTime(read_wall(client.wall), client.monotonic_ms, client.boot)
    told_all = client.pending in {0, len(batch)}  # some apps count without what they send
    last_n = max((heard.n for heard in batch if heard.n is not None), default=None)
    numbered = sorted((heard.n, at) for at, heard in enumerate(batch) if heard.n is not None)
    told = [(n, shown_at(batch[at])) for n, at in numbered]
    more = client.pending is not None and not told_all
    return Exchange(
        arrived,
        sent,
        last_n if told_all else None,
        _echo(client.heard),
        moves(sent, told, more=more),
    )


def _echo(raw: Raw) -> Echo | None:
    """Read what the phone heard of us; what cannot be read proves nothing and harms nothing."""
    try:
        heard = msgspec.json.decode(raw, type=HeardOfUs)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    told = read_wall(heard.server_time)
    return Echo(told, heard.monotonic_ms) if told else None
