"""How evidence comes in: announced, appended, checked with its last byte, kept, judged.

Bytes lie in the staging folder until they are whole. Then they are hashed, decoded in a limited
process, stored under their hash, and entered in the log; only then do they count for a proof.
"""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from uuid import UUID

from backend.audit.record import Event, record
from backend.blobs import Blobs, Part, Staging, UploadTakenOver, is_sha256
from backend.blobs.address import WrongBytesError
from backend.errors import DoorstepError, NotFound, StateConflict, TooManyTries
from backend.identity.callers import CallingDevice
from backend.ids import new_id
from backend.store import evidence as store
from backend.store import privacy
from backend.store.database import Database, Tx, moment
from backend.store.evidence import Upload
from backend.tables.evidence import Evidence
from backend.wire.body import CallerGone
from driver_api.announcement import EvidenceTooLarge
from driver_api.tus import Checksum, ChecksumMismatch
from pod.evidence import PhotoFacts, SignatureFacts
from pod.inspector import Inspector
from pod.service import settle

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
        """Tell where an upload stands; one that is whole but was interrupted is completed now.

        Raises:
            EvidenceNotFound: nothing of that hash was announced here.
        """
        standing = await self._look(device, sha256)
        if standing.state in ("verified", "corrupt") or standing.offset < standing.upload.size:
            return standing
        part = await self.staging.begin(device.id, standing.upload.sha256)
        await self._complete(device, standing.upload, part)
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
        part = await self.staging.begin(device.id, upload.sha256)
        if part.start != offset:
            raise _elsewhere(part.start)
        try:
            length = await _write(part, upload, pieces, checksum)
        finally:
            await self._note(device, upload)
        if length < upload.size:
            return Standing(replace(upload, state="partial"), length)
        await self._complete(device, upload, part)
        return Standing(replace(upload, state="verified"), upload.size)

    async def restart(self, device: CallingDevice, sha256: str) -> None:
        """Go back to the beginning: a creation that carries bytes starts at 0."""
        part = await self.staging.begin(device.id, sha256)
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

    async def _complete(self, device: CallingDevice, upload: Upload, part: Part) -> None:
        """Check the whole, keep it, enter it in the log.

        Raises:
            ChecksumMismatch: the bytes are not those announced.
            DoorstepError: 413 or 415, they are not evidence.
        """
        if await part.digest() != upload.sha256:
            await self._spoil(device, upload, part)
            raise ChecksumMismatch("the whole file does not hash to what was announced")
        try:
            with part.ours():
                facts = await self.inspector.inspect(upload.kind, upload.media_type, part.path)
        except UploadTakenOver:
            raise
        except DoorstepError as refusal:
            if refusal.status < 500:
                await self._spoil(device, upload, part, hopeless=True)
            raise
        true = replace(upload, media_type=_media_type(facts))
        try:
            with part.ours():
                await self.blobs.put_file(upload.sha256, part.path, true.media_type)
        except WrongBytesError as error:
            raise UploadTakenOver from error
        async with self.db.begin() as tx:
            is_late = await _enter(tx, device, true, facts)
            await store.lock_bytes(tx, upload.sha256)
            if is_late and await privacy.only_erased(tx, {upload.sha256}):
                await self.blobs.delete(upload.sha256)
            elif not is_late and await self.blobs.size(upload.sha256) != upload.size:
                # An erasure for somebody else who had the same bytes came between.
                with part.ours():
                    await self.blobs.put_file(upload.sha256, part.path, true.media_type)
        await self.staging.discard(device.id, upload.sha256)

    async def _spoil(
        self, device: CallingDevice, upload: Upload, part: Part, *, hopeless: bool = False
    ) -> None:
        """Send an upload back to 0 and let the proofs that wait for it know.

        ``hopeless`` are bytes that came as announced and are no evidence: nobody wants them.
        """
        await part.cut(0)
        async with self.db.begin() as tx:
            await store.lock_driver(tx, device.driver_id)
            await store.note_progress(
                tx, device.id, upload.sha256, state="corrupt", offset=0, now=moment(tx)
            )
            if hopeless:
                await store.want(tx, device.driver_id, upload.sha256, wanted=False)
            await _settle(tx, device, await store.stops_naming(tx, device.driver_id, upload.sha256))


async def _enter(
    tx: Tx, device: CallingDevice, upload: Upload, facts: PhotoFacts | SignatureFacts
) -> bool:
    """Make the bytes count: the audited row, and a fresh look at every proof that names them.

    Return whether they come after the erasure of all that they show.
    """
    await store.lock_driver(tx, device.driver_id)
    await store.settle_upload(tx, device.id, upload.sha256, moment(tx))
    if await store.verified(tx, device.driver_id, upload.sha256):
        return False
    await store.want(tx, device.driver_id, upload.sha256, wanted=False)
    if before := await store.lost(tx, device.driver_id, upload.sha256):
        found = Event("evidence.restored", Evidence, before, {"lost_at": None})
        await record(tx, device.actor, found)
        return False
    stops = await store.stops_naming(tx, device.driver_id, upload.sha256)
    late = await privacy.are_erased(tx, stops)
    change = {
        "sha256": upload.sha256,
        "size": upload.size,
        "media_type": upload.media_type,
        "stop_id": stops[0] if stops else None,
        "verified_at": moment(tx),
        "driver_id": device.driver_id,
        "kind": upload.kind,
        "facts": {} if late else asdict(facts),
        "erased_at": moment(tx) if late else None,
    }
    event = Event(
        "evidence.verified",
        Evidence,
        new_id(),
        change,
        evidence=(upload.sha256,),
        create=True,
    )
    await record(tx, device.actor, event)
    await tx.flush()
    await _settle(tx, device, stops)
    return late


async def _settle(tx: Tx, device: CallingDevice, stops: list[UUID]) -> None:
    """Judge the proofs that name these bytes again."""
    for stop_id in stops:
        await settle(tx, device.actor, stop_id)


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


_MEDIA_TYPES = MappingProxyType(
    {
        "JPEG": "image/jpeg",
        "PNG": "image/png",
        "WEBP": "image/webp",
        "strokes": "application/json",
    }
)


def _media_type(facts: PhotoFacts | SignatureFacts) -> str:
    """What the bytes are, which a phone may have announced wrongly."""
    return _MEDIA_TYPES[facts.format]
