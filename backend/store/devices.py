"""Queries about devices, their enrolment and their tokens."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.store import later
from backend.store.direct import fetch_one, json_text
from backend.tables.devices import Device, DeviceJournal, EnrolmentCode, RefreshToken
from backend.tables.fleet import Driver
from backend.tables.installation import Installation


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What every authenticated call needs to know of the device that makes it."""

    id: UUID
    driver_id: UUID
    revoked_at: datetime | None
    public_key: bytes | None


async def epoch(tx: AsyncSession) -> UUID:
    """Return which life of the database this is."""
    return (await tx.execute(select(col(Installation.epoch)))).scalar_one()


async def known(tx: AsyncSession, device_id: UUID) -> KnownDevice | None:
    """Find a device."""
    row = await fetch_one(tx, _KNOWN, device_id)
    return None if row is None else KnownDevice(*row)


_KNOWN = "SELECT id, driver_id, revoked_at, public_key FROM device WHERE id = $1"


async def depot_of(tx: AsyncSession, device_id: UUID) -> UUID | None:
    """Return the depot of a device's driver."""
    return await tx.scalar(
        select(col(Driver.depot_id))
        .join(Device, col(Device.driver_id) == col(Driver.id))
        .where(col(Device.id) == device_id)
    )


async def spend_enrolment_code(tx: AsyncSession, code_hash: bytes, now: datetime) -> UUID | None:
    """Spend an enrolment code once; return the driver it is for, None if it does not count."""
    return await tx.scalar(
        update(EnrolmentCode)
        .where(
            col(EnrolmentCode.code_hash) == code_hash,
            col(EnrolmentCode.used_at).is_(None),
            col(EnrolmentCode.expires_at) > now,
        )
        .values(used_at=now)
        .returning(col(EnrolmentCode.driver_id))
    )


async def add_enrolment_code(
    tx: AsyncSession, code_hash: bytes, driver_id: UUID, expires_at: datetime
) -> None:
    """Keep an enrolment code's hash."""
    tx.add(EnrolmentCode(code_hash=code_hash, driver_id=driver_id, expires_at=expires_at))


def open_journal(tx: AsyncSession, device_id: UUID) -> None:
    """Begin to hear a device."""
    tx.add(DeviceJournal(device_id=device_id, acked_n=0))


@dataclass(slots=True)
class Journal:
    """How far a device was heard, and where its driver's scope stood; ``keep_journal`` writes it.

    ``clocks`` is what its calls showed of its clocks; ``holds`` says that something of it waits to
    be judged again; ``pulled_v`` is what its last cursor had seen.
    """

    device: KnownDevice
    acked_n: int
    pulled_v: int | None
    seen_at: datetime | None
    pending: int | None
    oldest_pending_at: datetime | None
    clocks: dict[str, Any] | None
    holds: bool
    skew_ms: int | None
    epoch: UUID
    v: int
    floor: int


_LOCK_JOURNAL = """
SELECT d.id, d.driver_id, d.revoked_at, d.public_key, j.acked_n, j.pulled_v, j.seen_at, j.pending,
       j.oldest_pending_at, j.clocks, j.holds, j.skew_ms, i.epoch, coalesce(s.v, 0),
       coalesce(s.floor, 0)
FROM device_journal j JOIN device d ON d.id = j.device_id CROSS JOIN installation i
LEFT JOIN scope s ON s.id = 'driver:' || d.driver_id
WHERE j.device_id = $1 FOR UPDATE OF j
"""


async def lock_journal(tx: AsyncSession, device_id: UUID) -> Journal | None:
    """Lock how far a device was heard; the first lock of every push."""
    row = await fetch_one(tx, _LOCK_JOURNAL, device_id)
    if row is None:
        return None
    return Journal(KnownDevice(*row[:4]), *row[4:])


_KEEP_JOURNAL = """
UPDATE device_journal SET acked_n = $2, pulled_v = $3, seen_at = $4, pending = $5,
  oldest_pending_at = $6, clocks = $7::text::jsonb, holds = $8, skew_ms = $9
WHERE device_id = $1
"""


def keep_journal(tx: AsyncSession, journal: Journal) -> None:
    """Write a journal that is locked."""
    later.put(
        tx,
        _KEEP_JOURNAL,
        journal.device.id,
        journal.acked_n,
        journal.pulled_v,
        journal.seen_at,
        journal.pending,
        journal.oldest_pending_at,
        json_text(journal.clocks),
        journal.holds,
        journal.skew_ms,
    )


async def lock_refresh_token(tx: AsyncSession, token_hash: bytes) -> RefreshToken | None:
    """Find a refresh token and hold it."""
    query = select(RefreshToken).where(col(RefreshToken.token_hash) == token_hash).with_for_update()
    return (await tx.execute(query)).scalar_one_or_none()


async def lock_family(tx: AsyncSession, family: UUID) -> list[RefreshToken]:
    """Find what is known of a family of refresh tokens and hold it."""
    query = select(RefreshToken).where(col(RefreshToken.family) == family)
    return list(await tx.scalars(query.order_by(col(RefreshToken.generation)).with_for_update()))


def add_refresh_token(
    tx: AsyncSession,
    token_hash: bytes,
    device_id: UUID,
    family: UUID,
    *,
    generation: int,
    now: datetime,
    ended: bool,
) -> RefreshToken:
    """Keep a refresh token's hash."""
    token = RefreshToken(
        token_hash=token_hash,
        device_id=device_id,
        family=family,
        generation=generation,
        issued_at=now,
        ended=ended,
    )
    tx.add(token)
    return token


async def forget_tokens(tx: AsyncSession, now: datetime) -> None:
    """Drop spent tokens and codes.

    A sealed token that was spent is known for what it is by its generation; one of the older form
    only by its row, which stays for a month, as does what has ended.
    """
    day, month = now - timedelta(days=1), now - timedelta(days=30)
    sealed = col(RefreshToken.generation) > 0
    await tx.execute(
        delete(RefreshToken).where(
            (sealed & (col(RefreshToken.spent_at) < day) & ~col(RefreshToken.ended))
            | (~sealed & (col(RefreshToken.spent_at) < month))
            | (col(RefreshToken.ended) & (col(RefreshToken.issued_at) < month))
        )
    )
    await tx.execute(delete(EnrolmentCode).where(col(EnrolmentCode.expires_at) < day))


async def end_family(tx: AsyncSession, family: UUID) -> None:
    """End every refresh token of a family."""
    await tx.execute(
        update(RefreshToken).where(col(RefreshToken.family) == family).values(ended=True)
    )
