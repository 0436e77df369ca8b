"""Erasure on request, and the holds that forbid it. The log stays whole: it never held the values.

What is erased: the openings of every entry about the consignment and its visits, the personal
columns of those rows with their fingerprint, what the timeline says about people, what was in the
parcels, what devices sent about the visits, and the evidence files.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from backend.audit.record import Event, record
from backend.domain.people import Actor
from backend.errors import NotFound, StateConflict
from backend.ids import new_id
from backend.store import log
from backend.store import privacy as store
from backend.store.database import Tx, moment
from backend.tables.audit import PrivacyHold
from backend.tables.base import Audited
from backend.tables.consignments import Consignment
from backend.tables.evidence import Evidence
from backend.tables.stops import Stop

ERASED = "privacy.erased"
_NAMES = frozenset(
    {"recipient_name", "recipient_phone", "recipient_email", "customer_name", "recipient"}
)


class ConsignmentHeld(StateConflict):
    """A legal hold stands; lift it first."""

    code = "consignment_held"
    title = "A hold keeps this consignment's data"


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took away; ``hashes`` are files to be deleted with it."""

    openings: int
    evidence: int
    hashes: frozenset[str]


async def erase(tx: Tx, actor: Actor, consignment_id: UUID, basis: str) -> Erased:
    """Erase the personal data of one consignment; doing it again finds nothing left.

    Raises:
        NotFound: there is no such consignment.
        ConsignmentHeld: a hold stands.
    """
    stops = await store.lock_stops(tx, consignment_id)
    consignment = await store.lock_consignment(tx, consignment_id)
    if consignment is None:
        raise NotFound
    if await store.held(tx, [consignment_id]):
        raise ConsignmentHeld
    stop_ids = [stop.id for stop in stops]
    overrides = await store.lock_overrides(tx, stop_ids)
    questions = await store.lock_inbox_items(tx, consignment_id, stop_ids)
    evidence = await store.lock_evidence(tx, stop_ids)
    rows: list[Audited] = [consignment, *stops, *overrides, *questions]
    openings = await _erase_openings(tx, rows)
    cause = f"erasure: {_nameless(basis, rows)}"
    for row in rows:
        await _clear(tx, actor, row, cause)
    await store.clear_timeline(tx, stop_ids)
    await store.forget_contents(tx, consignment_id)
    await store.empty_mutations(tx, stop_ids)
    await store.want_no_more(tx, stop_ids)
    marked = await _mark(tx, actor, evidence, cause)
    await tx.flush()
    await _erase_openings(tx, rows)
    hashes = await store.only_erased(tx, {item.sha256 for item in evidence})
    return Erased(openings, marked, frozenset(hashes))


def _nameless(basis: str, rows: Sequence[Audited]) -> str:
    """Return the ground without whom it is about: what is sealed can never be erased."""
    for row in rows:
        for name in sorted(_NAMES & row.__personal__):
            if value := getattr(row, name):
                basis = re.sub(re.escape(value), "(erased)", basis, flags=re.IGNORECASE)
    return basis


async def _erase_openings(tx: Tx, rows: Sequence[Audited]) -> int:
    return await log.erase_openings(tx, [(row.__entity__, row.id) for row in rows])


async def _clear(tx: Tx, actor: Actor, row: Audited, cause: str) -> None:
    """Empty a row's personal columns; a stop still on a phone gets a new version there too."""
    change = {
        name: empty
        for name in sorted(row.__personal__)
        if getattr(row, name) != (empty := _empty(row, name))
    }
    if isinstance(row, Consignment) and row.content_hash:
        # Whoever knows the goods could try out numbers against the fingerprint.
        change |= {"content_hash": b"", "phone_takes_sms": False}
    if change or (isinstance(row, Stop) and row.manifest_driver_id is not None):
        await record(tx, actor, Event(ERASED, type(row), row.id, change, cause=cause))


def _empty(row: Audited, name: str) -> object:
    """Return what an emptied column holds: null, or the empty value where null is not allowed."""
    if row.__table__.columns[name].nullable:
        return None
    return [] if isinstance(getattr(row, name), list) else ""


async def _mark(tx: Tx, actor: Actor, evidence: Sequence[Evidence], cause: str) -> int:
    """Write down that files are erased; what was once verified stays in the log."""
    fresh = [item for item in evidence if item.erased_at is None]
    for item in fresh:
        change = {"erased_at": moment(tx), "facts": {}}
        await record(tx, actor, Event("evidence.erased", Evidence, item.id, change, cause=cause))
    return len(fresh)


async def place_hold(tx: Tx, actor: Actor, consignment_id: UUID, reason: str) -> PrivacyHold:
    """Forbid erasure of a consignment's data until the hold is lifted.

    Raises:
        NotFound: there is no such consignment.
    """
    consignment = await store.lock_consignment(tx, consignment_id)
    if consignment is None:
        raise NotFound
    hold = PrivacyHold(
        id=new_id(),
        consignment_id=consignment_id,
        reason=reason,
        placed_by=actor.id,
        placed_at=moment(tx),
    )
    tx.add(hold)
    event = Event("privacy.held", type(consignment), consignment_id, cause=f"hold {hold.id}")
    await record(tx, actor, event)
    return hold


async def lift_hold(tx: Tx, actor: Actor, hold_id: UUID) -> PrivacyHold:
    """Lift a hold; lifting it again is harmless.

    Raises:
        NotFound: there is no such hold.
    """
    hold = await store.lock_hold(tx, hold_id)
    if hold is None:
        raise NotFound
    if hold.lifted_at is None:
        hold.lifted_at = moment(tx)
        consignment = await store.lock_consignment(tx, hold.consignment_id)
        assert consignment is not None
        event = Event(
            "privacy.released", type(consignment), consignment.id, cause=f"hold {hold_id}"
        )
        await record(tx, actor, event)
    return hold
