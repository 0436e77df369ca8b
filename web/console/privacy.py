"""Erasure and holds over HTTP: the two things compliance may change."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from backend.blobs import Blobs
from backend.clock import rfc3339
from backend.dispatch import privacy
from backend.domain.people import Role
from backend.errors import InputError
from backend.identity.people import SignedIn
from backend.intake import phones
from backend.store import evidence
from backend.store import privacy as store
from backend.store.database import Database
from backend.tables.audit import PrivacyHold
from backend.wire.json import InputInvalid, read_json
from web.paging import PAGE, Page, page, read_id_cursor
from web.paths import the_id

_Words = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class ErasureIn(msgspec.Struct, frozen=True):
    """Whose data, and on what ground; the ground is sealed in the log, so it names nobody."""

    basis: _Words
    consignment_id: _Words | None = None
    contact: _Words | None = None


class ErasureOut(msgspec.Struct, frozen=True):
    """What was erased, and what holds kept."""

    erased: list[UUID]
    held: list[UUID]
    openings: int
    evidence: int


class HoldIn(msgspec.Struct, frozen=True):
    """What must not be erased, and why: ``basis`` is ``reason`` by the name erasures give it."""

    consignment_id: _Words
    reason: _Words | None = None
    basis: _Words | None = None


class HoldOut(msgspec.Struct, frozen=True):
    """A hold; it stands while ``lifted_at`` is null."""

    id: UUID
    consignment_id: UUID
    reason: str
    placed_by: str
    placed_at: str
    lifted_at: str | None


class PrivacyController(Controller):
    """Erasure on request."""

    path = "/privacy"

    @post("/erasures", status_code=200, operation_id="erasePersonalData", opt={"body": ErasureIn})
    async def erase(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        blobs: NamedDependency[Blobs],
        person: NamedDependency[SignedIn],
    ) -> ErasureOut:
        """Erase a consignment's personal data, or that of every consignment of a contact."""
        person.must_be(Role.COMPLIANCE)
        asked = await read_json(request, ErasureIn)
        if (asked.consignment_id is None) == (asked.contact is None):
            raise InputInvalid(errors=[InputError("", "missing", "consignment_id or contact")])
        if asked.consignment_id is not None:
            return await _erase_one(db, blobs, person, the_id(asked.consignment_id), asked.basis)
        return await _erase_contact(db, blobs, person, asked.contact or "", asked.basis)

    @post("/holds", operation_id="placeHold", opt={"body": HoldIn})
    async def hold(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> HoldOut:
        """Forbid the erasure of a consignment's data."""
        person.must_be(Role.COMPLIANCE)
        asked = await read_json(request, HoldIn)
        consignment_id = the_id(asked.consignment_id)
        reason = asked.reason or asked.basis or "unspecified"
        async with db.begin() as tx:
            placed = await privacy.place_hold(tx, person.actor, consignment_id, reason)
        return _hold_out(placed)

    @get("/holds", operation_id="listHolds")
    async def holds(
        self,
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
        after: FromQuery[str | None] = None,
    ) -> Page[HoldOut]:
        """List the holds, lifted ones too."""
        person.must_be(Role.COMPLIANCE)
        async with db.snapshot() as tx:
            found = await store.holds(tx, read_id_cursor(after), PAGE + 1)
        rows, following = page(found, lambda row: (str(row.id),))
        return Page([_hold_out(row) for row in rows], following)

    @post("/holds/{hold_id:str}/lift", status_code=200, operation_id="liftHold")
    async def lift(
        self,
        hold_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> HoldOut:
        """Lift a hold; lifting it again is harmless."""
        person.must_be(Role.COMPLIANCE)
        async with db.begin() as tx:
            return _hold_out(await privacy.lift_hold(tx, person.actor, the_id(hold_id)))


async def _erase_one(
    db: Database, blobs: Blobs, person: SignedIn, consignment_id: UUID, basis: str
) -> ErasureOut:
    """Erase, files before the commit: if a file cannot go, nothing did, and asking again finds all.

    Afterwards nobody could find it: an erased contact leads nowhere.
    """
    async with db.begin() as tx:
        erased = await privacy.erase(tx, person.actor, consignment_id, basis)
        for sha256 in sorted(erased.hashes):
            await evidence.lock_bytes(tx, sha256)
            # Somebody else's upload of the same bytes may have been entered meanwhile.
            if await store.only_erased(tx, {sha256}):
                await blobs.delete(sha256)
    return ErasureOut([consignment_id], [], erased.openings, erased.evidence)


async def _erase_contact(
    db: Database, blobs: Blobs, person: SignedIn, contact: str, basis: str
) -> ErasureOut:
    async with db.snapshot() as tx:
        dialled = _dialled(contact, await store.countries(tx))
        known = await store.of_contact(tx, contact.strip(), dialled)
    done, kept = [], []
    for consignment_id in known:
        try:
            done.append(await _erase_one(db, blobs, person, consignment_id, basis))
        except privacy.ConsignmentHeld:
            kept.append(consignment_id)
    return ErasureOut(
        [id_ for part in done for id_ in part.erased],
        kept,
        sum(part.openings for part in done),
        sum(part.evidence for part in done),
    )


def _dialled(contact: str, countries: Sequence[str]) -> dict[str, str]:
    """Return the number it is in each country: imports kept it with the code of theirs."""
    read = {country: phones.read(contact, country) for country in countries}
    return {country: phone.e164 for country, phone in read.items() if phone is not None}


def _hold_out(hold: PrivacyHold) -> HoldOut:
    return HoldOut(
        hold.id,
        hold.consignment_id,
        hold.reason,
        hold.placed_by,
        rfc3339(hold.placed_at),
        None if hold.lifted_at is None else rfc3339(hold.lifted_at),
    )
