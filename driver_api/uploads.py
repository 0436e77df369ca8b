"""How evidence comes in: announced, appended, checked with its last byte, kept, judged.

Bytes lie in the staging folder until they are whole. Then they are hashed, decoded in a limited
process, stored under their hash, and entered in the log; only then do they count for a proof.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

from backend.blobs import (
    Blobs,
    Part,
    Staging,
    StandsElsewhereError,
    UploadTakenOver,
    is_sha256,
)
from backend.errors import (
    NotFound,
    StateConflict,
    TooLarge,
    TooManyTries,
    UnsupportedMedia,
)
from backend.identity.callers import CallingDevice
from backend.store import evidence as store
from backend.store.database import Database, moment
from backend.store.evidence import Upload
from backend.wire.body import CallerGone
from driver_api.announcement import EvidenceTooLarge
from driver_api.completion import Completion
from driver_api.tus import Checksum, ChecksumMismatch
from pod.inspector import Inspector

MOST_UNFINISHED = 1000
# What is gathered before it is written is lost with a link that dies silently, so not too much.
_PIECE = 32 * 1024


class EvidenceNotFound(NotFound):
    """Never announced by this device, or another driver's."""

    code = "evidence_not_found"
    title = "There is no such evidence of yours"


class OffsetMismatch(StateConflict):
    """The upload stands elsewhere; ``Upload-Offset`` tells where."""

    code = "offset_mismatch"
    title = "The upload stands at another offset"


class EvidenceImmutable(StateConflict):
    """Verified evidence is never taken back by a phone."""

    code = "evidence_immutable"
    title = "Verified evidence cannot be withdrawn"


class TooManyUploads(TooManyTries):
    """A device announced more than it could ever finish."""

    code = "too_many_uploads"
    title = "Finish or withdraw other uploads first"


@dataclass(frozen=True, slots=True)
class Standing:
    """An upload, and how many of its bytes are there."""

    upload: Upload
    offset: int

    @property
    def is_verified(self) -> bool:
        """Whether the driver's own bytes verified."""
        return self.upload.state == "verified"

    @property
    def state(self) -> str:
        """The state as the contract names it; the bytes that arrived decide, not what was noted."""
        if self.is_verified:
            return "verified"
        if self.offset:
            return "partial"
        return "corrupt" if self.upload.state == "corrupt" else "announced"


@dataclass(frozen=True, slots=True)
class Uploads:
    """The use cases of evidence coming in, over the stores they need."""

    db: Database
    staging: Staging
    blobs: Blobs
    inspector: Inspector

    async def announce(self, device: CallingDevice, upload: Upload) -> Standing:
        """Open an upload, or find where it stands; the same announcement again is harmless."""
        async with self.db.begin() as tx:
            if known := await store.verified(tx, device.driver_id, upload.sha256):
                return Standing(known, known.size)
            before = await store.announced(tx, device.id, upload.sha256)
            if before is None and await store.unfinished(tx, device.id) >= MOST_UNFINISHED:
                raise TooManyUploads(headers={"Retry-After": "60"})
            same = before is not None and replace(before, state=upload.state) == upload
            if before is None or not same or before.state == "corrupt":
                await store.announce(tx, device.id, upload, moment(tx))
        if before is not None and not same:
            await self.staging.discard(device.id, upload.sha256)
        return Standing(upload, await self.staging.length(device.id, upload.sha256))

    async def find(self, device: CallingDevice, sha256: str) -> Standing:
        """Tell where an upload stands; one that was left whole is completed first.

        A file that turns out to be none is no fault of the question: it stands at 0, corrupt, and
        whoever sends it again is told why.

        Raises:
            EvidenceNotFound: nothing of that hash was announced here.
        """
        try:
            return await self.resume(device, sha256)
        except (ChecksumMismatch, TooLarge, UnsupportedMedia):
            return await self._look(device, sha256)

    async def resume(self, device: CallingDevice, sha256: str) -> Standing:
        """Complete an upload that a server left whole when it ended; tell where it stands.

        What is in somebody's hands stays there: he hears what becomes of it.

        Raises:
            EvidenceNotFound: nothing of that hash was announced here.
            ChecksumMismatch: the bytes were not those announced, it is back at 0.
            TooLarge, UnsupportedMedia: they are not evidence, it is back at 0.
        """
        standing = await self._look(device, sha256)
        upload, offset = standing.upload, standing.offset
        if standing.state in ("verified", "corrupt") or offset < upload.size:
            return standing
        async with self.staging.begin_if_left(device.id, upload.sha256, offset) as part:
            if part is not None:
                with suppress(UploadTakenOver):
                    await self._completion.complete(device, upload, part)
        return await self._look(device, sha256)

    async def append(
        self,
        device: CallingDevice,
        sha256: str,
        offset: int,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
    ) -> Standing:
        """Add bytes at ``offset``, taking over from any older writer; complete when all are there.

        Raises:
            OffsetMismatch: it stands elsewhere.
            ChecksumMismatch: of this piece (taken back) or of the whole (back to 0).
        """
        standing = await self._look(device, sha256)
        upload = standing.upload
        if standing.is_verified:
            if offset != upload.size:
                raise _elsewhere(upload.size)
            return standing
        try:
            async with self.staging.begin(device.id, upload.sha256, offset) as part:
                return await self._go_on(device, upload, part, pieces, checksum)
        except StandsElsewhereError:
            moved = await self._look(device, sha256)
        if moved.is_verified and moved.offset == offset:
            return moved  # by somebody faster, since we looked
        raise _elsewhere(moved.offset)

    async def restart(self, device: CallingDevice, sha256: str) -> None:
        """Go back to the beginning: a creation that carries bytes starts at 0."""
        async with self.staging.begin(device.id, sha256) as part:
            await part.cut(0)

    async def withdraw(self, device: CallingDevice, sha256: str) -> None:
        """Forget an unfinished upload.

        Raises:
            EvidenceImmutable: it is verified.
        """
        standing = await self._look(device, sha256)
        if standing.is_verified:
            raise EvidenceImmutable
        async with self.db.begin() as tx:
            await store.withdraw(tx, device.id, standing.upload.sha256)
        await self.staging.discard(device.id, standing.upload.sha256)

    @property
    def _completion(self) -> Completion:
        return Completion(self.db, self.staging, self.blobs, self.inspector)

    async def _go_on(
        self,
        device: CallingDevice,
        upload: Upload,
        part: Part,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None,
    ) -> Standing:
        try:
            length = await _write(part, upload, pieces, checksum)
        finally:
            await self._note(device, upload)
        if length < upload.size:
            return Standing(replace(upload, state="partial"), length)
        await self._completion.complete(device, upload, part)
        return Standing(replace(upload, state="verified"), upload.size)

    async def _look(self, device: CallingDevice, sha256: str) -> Standing:
        sha256 = sha256.lower()
        if not is_sha256(sha256):
            raise EvidenceNotFound
        async with self.db.snapshot() as tx:
            if known := await store.verified(tx, device.driver_id, sha256):
                return Standing(known, known.size)
            upload = await store.announced(tx, device.id, sha256)
        if upload is None:
            raise EvidenceNotFound
        return Standing(upload, await self.staging.length(device.id, sha256))

    async def _note(self, device: CallingDevice, upload: Upload) -> None:
        """Write the progress down for those who only see the database."""
        offset = await self.staging.length(device.id, upload.sha256)
        state = "partial" if offset else upload.state
        async with self.db.begin() as tx:
            await store.note_progress(
                tx, device.id, upload.sha256, state=state, offset=offset, now=moment(tx)
            )


async def _write(
    part: Part, upload: Upload, pieces: AsyncIterator[bytes], checksum: Checksum | None
) -> int:
    """Append what arrives, in bounded memory; whatever arrived stays, even if the caller leaves."""
    length, running = part.start, checksum.begin() if checksum else None
    try:
        async for piece in _gathered(pieces):
            if length + len(piece) > upload.size:
                await part.cut(part.start)
                raise EvidenceTooLarge(f"more than the {upload.size} bytes announced")
            if running is not None:
                running.update(piece)
            length = await part.append(piece)
    except CallerGone:
        # What broke off cannot be checked; its bytes stay, the hash of the whole decides.
        running = None
    await part.sync()
    if running is not None and checksum is not None and running.digest() != checksum.digest:
        await part.cut(part.start)
        raise ChecksumMismatch
    return length


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join the network's crumbs into pieces worth a write; a broken end is handed on first."""
    waiting = bytearray()
    try:
        async for piece in pieces:
            waiting += piece
            if len(waiting) >= _PIECE:
                yield bytes(waiting)
                waiting.clear()
    except CallerGone:
        if waiting:
            yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)


def _elsewhere(offset: int) -> OffsetMismatch:
    return OffsetMismatch(f"it stands at {offset}", headers={"Upload-Offset": str(offset)})
