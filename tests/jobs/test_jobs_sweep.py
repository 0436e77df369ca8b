"""The timetable's broom: uploads that nobody continues are forgotten, everything else stays."""

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from backend.audit.checkpoint import signer_of
from backend.blobs import open_staging
from backend.jobs import Leadership, Timetable
from backend.keys import load_keys
from backend.store import evidence
from backend.store.database import Database
from backend.store.evidence import Upload
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
        part = await staging.begin(phone.id, sha)
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
