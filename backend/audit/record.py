"""The only writer of audited rows: one call changes the row and appends the entry that says so.

``record`` computes what changed, splits personal columns into salted commitments, raises the row's
version, ties the row to the new entry by its leaf hash and leaves the entry pending for the
sequencer. What follows a change of a stop or route (feed, timeline) is in ``follow``.
"""

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from msgspec import Struct, field
from sqlalchemy import inspect as inspect_row
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from backend.audit import entry as log
from backend.audit.follow import Witness, follow
from backend.clock import rfc3339
from backend.domain.people import Actor
from backend.ids import new_id
from backend.store import ledger
from backend.store.database import moment
from backend.store.ledger import EntryLine, OpeningLine
from backend.tables.base import Audited

R = TypeVar("R", bound=Audited)

RECORDED = "recorded"
SALT_BYTES = 16


class Event(Struct, frozen=True):
    """What is to be recorded about one row.

    ``action`` is ``noun.past_participle``; ``change`` maps columns to their new values;
    ``occurred`` is when it happened if that is not now; ``cause`` names the mutation or job;
    ``create`` makes the row; ``parts`` are (before, after) of what belongs to it but is kept
    in tables of its own. A ``witness`` carries what the timeline shows beyond the change.
    """

    action: str
    row: type[Audited]
    id: UUID
    change: Mapping[str, object] = field(default_factory=dict)
    occurred: datetime | None = None
    cause: str | None = None
    evidence: tuple[str, ...] = ()
    create: bool = False
    parts: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    witness: Witness | None = None


async def record(tx: AsyncSession, actor: Actor, event: Event) -> Audited:
    """Change a row and say so in the log; return the row with its new version and entry.

    The use case holds the row's lock already, or the row is taken with one here.

    Raises:
        LookupError: there is no such row and ``create`` is not set.
    """
    row, before = await _row(tx, event)
    now = moment(tx)
    changed = {name: value for name, value in event.change.items() if before.get(name) != value}
    change, openings = _split(type(row), changed, before)
    change |= {name: [plain(old), plain(new)] for name, (old, new) in event.parts.items()}
    entry_id = new_id()
    sealed = log.Entry(
        id=str(entry_id),
        n=row.version + 1,
        entity=row.__entity__,
        entity_id=str(row.id),
        action=event.action,
        actor=log.ActorRef(actor.type.value, actor.id, actor.device),
        at=rfc3339(now),
        occurred=rfc3339(event.occurred) if event.occurred else None,
        request=cast("str | None", tx.info.get("request")),
        cause=event.cause,
        change=change,
        pii={name: log.commitment(salt, value) for name, (salt, value) in openings.items()},
        evidence=event.evidence,
        prev=row.entry.hex() if row.entry else None,
    )
    leaf = log.canonical(sealed)
    leaf_hash = log.leaf_hash(leaf)
    _append(tx, entry_id, sealed, leaf, leaf_hash, openings)
    _change(tx, row, {**changed, "version": row.version + 1, "entry": leaf_hash})
    follow(tx, actor, event.action, event.occurred, row, before, event.witness)
    return row


def _change(tx: AsyncSession, row: Audited, values: Mapping[str, object]) -> None:
    """Change a row: the ledger writes one that is in the database, the session makes a new one."""
    tx.info.setdefault(RECORDED, {})[row.__entity__, row.id] = row
    if inspect_row(row).persistent:
        for name, value in values.items():
            set_committed_value(row, name, value)
        ledger.of(tx).change(row, values)
        return
    for name, value in values.items():
        setattr(row, name, value)
    tx.add(row)


async def _row(tx: AsyncSession, event: Event) -> tuple[Audited, dict[str, object]]:
    """Return the row and the present values of the columns that are to change."""
    if event.create:
        values: dict[str, Any] = {"id": event.id, "version": 0, **event.change}
        return event.row(**values), {}
    key = inspect_row(event.row).identity_key_from_primary_key((event.id,))
    row = cast("Audited | None", tx.sync_session.identity_map.get(key))
    if row is None or inspect_row(row).expired_attributes:  # a savepoint was undone meanwhile
        row = await tx.get(event.row, event.id, with_for_update=True, populate_existing=True)
    if row is None:
        raise LookupError(f"there is no {event.row.__entity__} {event.id}")
    names = {*event.change, *_FOLLOWED} & set(event.row.model_fields)
    return row, {name: getattr(row, name) for name in names}


_FOLLOWED = frozenset({"manifest_driver_id"})


def _split(
    row: type[Audited], changed: Mapping[str, object], before: Mapping[str, object]
) -> tuple[dict[str, list[log.Value]], dict[str, tuple[bytes, str]]]:
    """Part the change into what the log shows and what it only commits to."""
    shown: dict[str, list[log.Value]] = {}
    openings: dict[str, tuple[bytes, str]] = {}
    for name, value in changed.items():
        if name in row.__quiet__:
            continue
        if name not in row.__personal__:
            shown[name] = [plain(before.get(name)), plain(value)]
        elif value is None:
            shown[name] = ["personal", None]
        else:
            openings[name] = (secrets.token_bytes(SALT_BYTES), _as_text(value))
    return shown, openings


def plain(value: object) -> log.Value:
    """Write a column's value with the few types an entry may hold; floats and times as text."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return str(value)
        case datetime():
            return rfc3339(value)
        case float():
            return repr(value)
        case UUID() | date():
            return str(value)
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            raise TypeError(f"an entry cannot hold a {type(value).__name__}")


def _as_text(value: object) -> str:
    shown = plain(value)
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def _append(
    tx: AsyncSession,
    entry_id: UUID,
    sealed: log.Entry,
    leaf: bytes,
    leaf_hash: bytes,
    openings: Mapping[str, tuple[bytes, str]],
) -> None:
    """Keep the entry's bytes and its openings for the flush."""
    book = ledger.of(tx)
    about = (sealed.entity, sealed.entity_id)
    by = (sealed.actor.type, sealed.actor.id)
    book.entries.append(EntryLine(entry_id, leaf, leaf_hash, *about, sealed.n, sealed.action, *by))
    if openings:
        shown = {
            name: [b64encode(salt).decode(), value] for name, (salt, value) in openings.items()
        }
        book.openings.append(OpeningLine(entry_id, *about, shown))
