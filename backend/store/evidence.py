"""Queries about uploads, verified evidence, and which events name it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.tables.devices import Device, DeviceJournal
from backend.tables.evidence import Evidence, EvidenceRef, EvidenceUpload
from backend.tables.mutations import Mutation

UNFINISHED = ("announced", "partial")
UNJUDGED = ("held", "rejected", "quarantined")


@dataclass(frozen=True, slots=True)
class Upload:
    """What a device announced, or what its driver already has in the store."""

    sha256: str
    kind: str
    media_type: str
    size: int
    state: str


async def verified(tx: AsyncSession, driver_id: UUID, sha256: str) -> Upload | None:
    """Find bytes that this driver brought in whole, by whichever device, and that are there."""
    query = select(
        col(Evidence.sha256), col(Evidence.kind), col(Evidence.media_type), col(Evidence.size)
    ).where(
        col(Evidence.driver_id) == driver_id,
        col(Evidence.sha256) == sha256,
        col(Evidence.lost_at).is_(None),
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Upload(*row, state="verified")


async def announced(tx: AsyncSession, device_id: UUID, sha256: str) -> Upload | None:
    """Find what this device announced."""
    query = select(
        col(EvidenceUpload.sha256),
        col(EvidenceUpload.kind),
        col(EvidenceUpload.media_type),
        col(EvidenceUpload.size),
        col(EvidenceUpload.state),
    ).where(col(EvidenceUpload.device_id) == device_id, col(EvidenceUpload.sha256) == sha256)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Upload(*row)


async def announce(tx: AsyncSession, device_id: UUID, upload: Upload, now: datetime) -> None:
    """Write an announcement down; a new one for the same bytes replaces the old."""
    said = {
        "kind": upload.kind,
        "media_type": upload.media_type,
        "size": upload.size,
        "state": upload.state,
        "offset": 0,
        "updated_at": now,
    }
    fresh = insert(EvidenceUpload).values(device_id=device_id, sha256=upload.sha256, **said)
    key = ["device_id", "sha256"]
    await tx.execute(fresh.on_conflict_do_update(index_elements=key, set_=said))


async def note_progress(
    tx: AsyncSession, device_id: UUID, sha256: str, *, state: str, offset: int, now: datetime
) -> None:
    """Write down how far an upload got; a verified one stays so."""
    await tx.execute(
        update(EvidenceUpload)
        .where(
            col(EvidenceUpload.device_id) == device_id,
            col(EvidenceUpload.sha256) == sha256,
            col(EvidenceUpload.state) != "verified",
        )
        .values(state=state, offset=func.least(offset, col(EvidenceUpload.size)), updated_at=now)
    )


async def settle_upload(tx: AsyncSession, device_id: UUID, sha256: str, now: datetime) -> None:
    """Write down that an upload's bytes are verified."""
    await tx.execute(
        update(EvidenceUpload)
        .where(col(EvidenceUpload.device_id) == device_id, col(EvidenceUpload.sha256) == sha256)
        .values(state="verified", offset=col(EvidenceUpload.size), updated_at=now)
    )


async def withdraw(tx: AsyncSession, device_id: UUID, sha256: str) -> None:
    """Forget an announcement."""
    await tx.execute(
        delete(EvidenceUpload).where(
            col(EvidenceUpload.device_id) == device_id, col(EvidenceUpload.sha256) == sha256
        )
    )


async def unfinished(tx: AsyncSession, device_id: UUID) -> int:
    """Count what a device announced and did not finish."""
    query = select(func.count()).where(
        col(EvidenceUpload.device_id) == device_id, col(EvidenceUpload.state).in_(UNFINISHED)
    )
    return (await tx.execute(query)).scalar_one()


async def forget_stale(tx: AsyncSession, before: datetime) -> None:
    """Forget announcements that nobody continued since ``before``; the phone may announce again."""
    await tx.execute(
        delete(EvidenceUpload).where(
            col(EvidenceUpload.updated_at) < before, col(EvidenceUpload.state) != "verified"
        )
    )


async def lock_driver(tx: AsyncSession, driver_id: UUID) -> None:
    """Hold every journal of a driver, so that no event of his can name evidence meanwhile.

    Without it, an event and the bytes it names could each commit without seeing the other, and
    the proof would wait for ever.
    """
    query = (
        select(col(DeviceJournal.device_id))
        .join(Device, col(Device.id) == col(DeviceJournal.device_id))
        .where(col(Device.driver_id) == driver_id)
        .order_by(col(DeviceJournal.device_id))
        .with_for_update(of=DeviceJournal)
    )
    await tx.execute(query)


async def stops_naming(tx: AsyncSession, driver_id: UUID, sha256: str) -> list[UUID]:
    """Return the stops at which this driver's events name these bytes, in lock order.

    Only if none of the events counts, those at which an event does that does not.
    """
    query = (
        select(col(EvidenceRef.stop_id), func.bool_or(col(EvidenceRef.counts)))
        .where(col(EvidenceRef.sha256) == sha256, col(EvidenceRef.driver_id) == driver_id)
        .group_by(col(EvidenceRef.stop_id))
        .order_by(col(EvidenceRef.stop_id))
    )
    named = [(row[0], row[1]) for row in await tx.execute(query)]
    return [stop for stop, counts in named if counts] or [stop for stop, _ in named]


async def want(tx: AsyncSession, driver_id: UUID, sha256: str, *, wanted: bool) -> None:
    """Write down whether the driver's bytes are wanted by the events that name them and count."""
    await tx.execute(
        update(EvidenceRef)
        .where(
            col(EvidenceRef.sha256) == sha256,
            col(EvidenceRef.driver_id) == driver_id,
            col(EvidenceRef.wanted) != wanted,
            col(EvidenceRef.counts),
        )
        .values(wanted=wanted)
    )


async def lost(tx: AsyncSession, driver_id: UUID, sha256: str) -> UUID | None:
    """Return the row of bytes that this driver once brought in and the store lost."""
    query = select(col(Evidence.id)).where(
        col(Evidence.driver_id) == driver_id,
        col(Evidence.sha256) == sha256,
        col(Evidence.lost_at).is_not(None),
    )
    return await tx.scalar(query)


async def begin_anew(tx: AsyncSession, driver_id: UUID, sha256: str) -> None:
    """Send every upload of bytes that were lost back to its beginning."""
    devices = select(col(Device.id)).where(col(Device.driver_id) == driver_id)
    await tx.execute(
        update(EvidenceUpload)
        .where(col(EvidenceUpload.sha256) == sha256, col(EvidenceUpload.device_id).in_(devices))
        .values(state="announced", offset=0)
        .execution_options(synchronize_session=False)
    )


async def lock_bytes(tx: AsyncSession, sha256: str) -> None:
    """Keep others from entering or deleting these bytes until the transaction ends.

    The last lock before the counters; of several hashes, in order.
    """
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(sha256, 0))))


@dataclass(frozen=True, slots=True)
class Kept:
    """A row whose bytes the store should have."""

    id: UUID
    driver_id: UUID
    sha256: str
    size: int


async def kept(tx: AsyncSession, after: UUID | None, *, limit: int) -> list[Kept]:
    """Return a page of rows whose bytes should be there, in the order of their ids."""
    query = (
        select(col(Evidence.id), col(Evidence.driver_id), col(Evidence.sha256), col(Evidence.size))
        .where(col(Evidence.erased_at).is_(None), col(Evidence.lost_at).is_(None))
        .order_by(col(Evidence.id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(col(Evidence.id) > after)
    return [Kept(*row) for row in await tx.execute(query)]


async def is_needed(tx: AsyncSession, sha256: str) -> bool:
    """Tell whether anything names these bytes: a row, an event, or what could not be judged yet."""
    row = select(col(Evidence.id)).where(
        col(Evidence.sha256) == sha256, col(Evidence.erased_at).is_(None)
    )
    event = select(col(EvidenceRef.sha256)).where(col(EvidenceRef.sha256) == sha256)
    unjudged = select(col(Mutation.seq)).where(
        col(Mutation.outcome).in_(UNJUDGED),
        func.encode(col(Mutation.raw), "escape").contains(sha256),
    )
    for query in (row, event, unjudged):
        if await tx.scalar(select(query.exists())):
            return True
    return False
