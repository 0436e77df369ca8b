"""Queries about people and their sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from backend.tables.fleet import Depot
from backend.tables.people import Person, Session


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person, with the depots he may see as ids."""

    id: UUID
    email: str
    role: str
    password_hash: str
    csrf: str | None
    depot_codes: tuple[str, ...]
    depot_ids: frozenset[UUID]


async def by_email(tx: AsyncSession, email: str) -> KnownPerson | None:
    """Find a person by e-mail address, whatever its case."""
    query = select(
        col(Person.id),
        col(Person.email),
        col(Person.role),
        col(Person.password_hash),
        col(Person.depots),
    )
    row = (await tx.execute(query.where(col(Person.email) == email.lower()))).one_or_none()
    if row is None:
        return None
    codes = tuple(row.depots)
    ids = await _depot_ids(tx, codes)
    return KnownPerson(row.id, row.email, row.role, row.password_hash, None, codes, ids)


async def by_session(tx: AsyncSession, token_hash: bytes, now: datetime) -> KnownPerson | None:
    """Find the person of a live session."""
    query = (
        select(
            col(Person.id),
            col(Person.email),
            col(Person.role),
            col(Person.password_hash),
            col(Session.csrf),
            col(Person.depots),
        )
        .join(Session, col(Session.person_id) == col(Person.id))
        .where(col(Session.token_hash) == token_hash, col(Session.expires_at) > now)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    codes = tuple(row.depots)
    return KnownPerson(
        row.id, row.email, row.role, row.password_hash, row.csrf, codes, await _depot_ids(tx, codes)
    )


async def _depot_ids(tx: AsyncSession, codes: tuple[str, ...]) -> frozenset[UUID]:
    if not codes:
        return frozenset()
    return frozenset(await tx.scalars(select(col(Depot.id)).where(col(Depot.code).in_(codes))))


async def unknown_depots(tx: AsyncSession, codes: Sequence[str]) -> tuple[str, ...]:
    """Those of the codes that no depot bears (yet), in the order given."""
    known = set(await tx.scalars(select(col(Depot.code)).where(col(Depot.code).in_(codes))))
    return tuple(code for code in codes if code not in known)


def add_session(
    tx: AsyncSession, token_hash: bytes, person_id: UUID, csrf: str, expires_at: datetime
) -> None:
    """Open a session."""
    tx.add(Session(token_hash=token_hash, person_id=person_id, csrf=csrf, expires_at=expires_at))


async def end_session(tx: AsyncSession, token_hash: bytes) -> None:
    """End a session; ending it twice is harmless."""
    await tx.execute(delete(Session).where(col(Session.token_hash) == token_hash))


async def forget_sessions(tx: AsyncSession, before: datetime) -> None:
    """Drop sessions that are over."""
    await tx.execute(delete(Session).where(col(Session.expires_at) < before))
