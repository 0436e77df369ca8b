"""Queries for erasure and holds: whose data lies where, and what keeps it there."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    String,
    and_,
    bindparam,
    exists,
    false,
    func,
    null,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from backend.tables.audit import PrivacyHold
from backend.tables.consignments import Consignment, Parcel
from backend.tables.evidence import Evidence, EvidenceRef
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.stops import Override, Stop, StopEvent

# What a driver's event may say about a person; the rest of its body is about the visit.
PERSONAL_WORDS = ("recipient", "note", "text", "signature", "code", "door_token", "becomes")
# Here a reason is the driver's own words, not one of a list.
IN_OWN_WORDS = ("stop.skipped", "stop.corrected")


async def countries(tx: AsyncSession) -> Sequence[str]:
    """Return the countries that consignments go to."""
    return (await tx.scalars(select(col(Consignment.country)).distinct())).all()


async def of_contact(
    tx: AsyncSession, contact: str, dialled: Mapping[str, str] | None = None
) -> Sequence[UUID]:
    """Return the consignments for a phone number or an e-mail address.

    ``dialled`` is the number as it is kept, by the country it would have been dialled in.
    """
    same = [
        col(Consignment.recipient_phone) == contact,
        func.lower(col(Consignment.recipient_email)) == contact.lower(),
    ]
    for country, e164 in (dialled or {}).items():
        there = col(Consignment.country) == country
        same.append(and_(there, col(Consignment.recipient_phone) == e164))
    query = select(col(Consignment.id)).where(or_(*same))
    return (await tx.scalars(query.order_by(col(Consignment.id)))).all()


async def held(tx: AsyncSession, consignments: Collection[UUID]) -> set[UUID]:
    """Return those of them that a hold keeps."""
    query = select(col(PrivacyHold.consignment_id)).where(
        col(PrivacyHold.consignment_id).in_(consignments), col(PrivacyHold.lifted_at).is_(None)
    )
    return set((await tx.scalars(query)).all())


async def holds(tx: AsyncSession, after: UUID | None, limit: int) -> Sequence[PrivacyHold]:
    """List holds in the order they were placed."""
    query = select(PrivacyHold).order_by(col(PrivacyHold.id)).limit(limit)
    if after is not None:
        query = query.where(col(PrivacyHold.id) > after)
    return (await tx.scalars(query)).all()


async def lock_hold(tx: AsyncSession, hold_id: UUID) -> PrivacyHold | None:
    """Find a hold and hold its row."""
    return await tx.get(PrivacyHold, hold_id, with_for_update=True)


async def lock_stops(tx: AsyncSession, consignment_id: UUID) -> Sequence[Stop]:
    """Hold the stops of a consignment, by id."""
    query = select(Stop).where(col(Stop.consignment_id) == consignment_id).order_by(col(Stop.id))
    return (await tx.scalars(query.with_for_update())).all()


async def lock_consignment(tx: AsyncSession, consignment_id: UUID) -> Consignment | None:
    """Find a consignment and hold it, after its stops."""
    return await tx.get(Consignment, consignment_id, with_for_update=True, populate_existing=True)


async def lock_overrides(tx: AsyncSession, stops: Collection[UUID]) -> Sequence[Override]:
    """Hold the overrides of stops, by id."""
    query = select(Override).where(col(Override.stop_id).in_(stops)).order_by(col(Override.id))
    return (await tx.scalars(query.with_for_update())).all()


async def lock_inbox_items(
    tx: AsyncSession, consignment_id: UUID, stops: Collection[UUID]
) -> Sequence[InboxItem]:
    """Hold the inbox items about a consignment and its stops, by id.

    A customer may ask for something before there is a stop: then only the subject names the goods.
    """
    about = col(InboxItem.subject).contains(f":{consignment_id}", autoescape=True)
    query = (
        select(InboxItem)
        .where(or_(col(InboxItem.stop_id).in_(stops), about))
        .order_by(col(InboxItem.id))
    )
    return (await tx.scalars(query.with_for_update())).all()


async def lock_evidence(tx: AsyncSession, stops: Collection[UUID]) -> Sequence[Evidence]:
    """Hold the evidence that only these stops' events name, by id.

    Bytes that also prove another consignment's delivery stay with that one. An event that does not
    count proves nothing: what it names goes with its stop, and stays for no other.
    """
    ref, other = aliased(EvidenceRef), aliased(EvidenceRef)
    same = and_(
        col(ref.sha256) == col(Evidence.sha256), col(ref.driver_id) == col(Evidence.driver_id)
    )
    same_elsewhere = and_(
        col(other.sha256) == col(Evidence.sha256),
        col(other.driver_id) == col(Evidence.driver_id),
        col(other.stop_id).not_in(stops),
        col(other.counts),
    )
    query = (
        select(Evidence)
        .where(
            or_(
                col(Evidence.stop_id).in_(stops),
                exists().where(same, col(ref.stop_id).in_(stops)),
            ),
            ~exists().where(same_elsewhere),
        )
        .order_by(col(Evidence.id))
    )
    return (await tx.scalars(query.with_for_update())).all()


async def are_erased(tx: AsyncSession, stops: Collection[UUID]) -> bool:
    """Tell whether these stops are all of erased consignments; they are held, as an erasure would.

    An erased consignment has lost the fingerprint that every import gives.
    """
    if not stops:
        return False
    held = select(col(Stop.consignment_id)).where(col(Stop.id).in_(stops)).order_by(col(Stop.id))
    of = set(await tx.scalars(held.with_for_update()))
    kept = select(col(Consignment.id)).where(
        col(Consignment.id).in_(of), col(Consignment.content_hash) != b""
    )
    return await tx.scalar(kept.limit(1)) is None


async def want_no_more(tx: AsyncSession, stops: Collection[UUID]) -> None:
    """Ask no phone any more for files that show these visits."""
    await tx.execute(
        update(EvidenceRef)
        .where(col(EvidenceRef.stop_id).in_(stops), col(EvidenceRef.wanted))
        .values(wanted=False)
        .execution_options(synchronize_session=False)
    )


async def only_erased(tx: AsyncSession, hashes: Collection[str]) -> set[str]:
    """Return those hashes whose every row is erased: nobody needs the bytes any more."""
    kept = select(col(Evidence.sha256)).where(
        col(Evidence.sha256).in_(hashes), col(Evidence.erased_at).is_(None)
    )
    return set(hashes) - set((await tx.scalars(kept)).all())


async def empty_mutations(tx: AsyncSession, stops: Collection[UUID]) -> None:
    """Empty what devices sent about stops; their hashes and answers stay. What is held waits.

    What could not be read has no stop of its own, but its bytes may name one.
    """
    await tx.execute(text("SET LOCAL doorstep.erasing = 'on'"))
    bytes_as_text = func.lower(func.encode(col(Mutation.raw), "escape"))
    named = [bytes_as_text.contains(str(stop)) for stop in stops]
    unread = and_(col(Mutation.kind).is_(None), or_(false(), *named))
    await tx.execute(
        update(Mutation)
        .where(or_(col(Mutation.stop_id).in_(stops), unread), col(Mutation.outcome) != "held")
        .values(raw=b"")
        .execution_options(synchronize_session=False)
    )


async def clear_timeline(tx: AsyncSession, stops: Collection[UUID]) -> None:
    """Take what is about a person out of the stops' timelines: words, signatures and positions."""
    for kinds, names in ((None, PERSONAL_WORDS), (IN_OWN_WORDS, ("reason",))):
        words = bindparam("words", list(names), ARRAY(String))
        of_kind = true() if kinds is None else col(StopEvent.kind).in_(kinds)
        await tx.execute(
            update(StopEvent)
            .where(col(StopEvent.stop_id).in_(stops), of_kind)
            .values(body=col(StopEvent.body).op("-")(words), fix=null())
            .execution_options(synchronize_session=False)
        )


async def forget_contents(tx: AsyncSession, consignment_id: UUID) -> None:
    """Forget what was in the parcels; the log never held it."""
    await tx.execute(
        update(Parcel)
        .where(col(Parcel.consignment_id) == consignment_id)
        .values(description=None)
        .execution_options(synchronize_session=False)
    )
