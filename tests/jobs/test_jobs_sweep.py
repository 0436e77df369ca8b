"""The timetable's broom: what nobody continues and what is over goes, everything else stays."""

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.audit.checkpoint import signer_of
from backend.blobs import open_staging
from backend.domain.people import Role
from backend.identity.people import add_person
from backend.ids import new_id
from backend.jobs import Leadership, Timetable
from backend.keys import load_keys
from backend.store import evidence, people, tries
from backend.store.database import Database
from backend.store.evidence import Upload
from backend.tables.installation import TryWindow
from backend.tables.people import Session
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_phone, settings_for

pytestmark = pytest.mark.anyio


async def test_stale_uploads_are_swept(
    db: Database, pg_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """After a month without a byte, row and file go; a newer upload and a verified one stay."""
    settings = settings_for(pg_url, tmp_path)
    phone, staging = await a_phone(db, settings), open_staging(settings)
    old, new, done = (hashlib.sha256(name).hexdigest() for name in (b"old", b"new", b"done"))
    long_ago = clock.now() - timedelta(days=31)
    async with db.begin() as tx:
        for sha, state, at in (
            (old, "partial", long_ago),
            (new, "partial", clock.now()),
            (done, "verified", long_ago),
        ):
            await evidence.announce(tx, phone.id, Upload(sha, "photo", "image/jpeg", 9, state), at)
    for sha, at in ((old, long_ago), (new, clock.now())):
        async with staging.begin(phone.id, sha) as part:
            await part.append(b"abc")
        os.utime(part.path, (at.timestamp(), at.timestamp()))
    keys, leadership = load_keys(settings.data, log_name=settings.log_name), Leadership(db)
    await leadership.renew()
    timetable = Timetable(db, leadership, settings, signer_of(keys), keys)
    await timetable.sweep_uploads()
    async with db.snapshot() as tx:
        left = [await evidence.announced(tx, phone.id, sha) for sha in (old, new, done)]
    assert [upload is not None for upload in left] == [False, True, True]
    assert [await staging.length(phone.id, sha) for sha in (old, new)] == [0, 3]
    await leadership.resign()


async def test_sessions_and_tries_that_are_over_are_forgotten(
    db: Database, pg_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """Who was here, and from where, is dropped when it counts no more; what counts still stays."""
    settings, now = settings_for(pg_url, tmp_path), clock.now()
    hours = timedelta(hours=1)
    async with db.begin() as tx:
        person = await add_person(tx, f"{new_id()}@example.org", Role.ADMIN, [], "a long password")
        await tx.flush()
        for what, ends in ((b"over", now - hours), (b"open", now + hours)):
            people.add_session(tx, what + person.bytes, person, "csrf", ends)
        for word, began in (("over", now - 2 * hours), ("open", now)):
            await tries.reserve(tx, f"{word}:{person}", began, limit=5, window=hours)
    keys, leadership = load_keys(settings.data, log_name=settings.log_name), Leadership(db)
    await leadership.renew()
    timetable = Timetable(db, leadership, settings, signer_of(keys), keys)
    await timetable.forget_callers()
    async with db.snapshot() as tx:
        sessions = await tx.scalars(
            select(col(Session.token_hash)).where(col(Session.person_id) == person)
        )
        windows = await tx.scalars(
            select(col(TryWindow.key)).where(col(TryWindow.key).contains(str(person)))
        )
        assert list(sessions) == [b"open" + person.bytes]
        assert list(windows) == [f"open:{person}"]
    await leadership.resign()
