"""The end of an upload: its bytes are hashed, decoded, kept, and entered in the log."""

from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from uuid import UUID

from backend.audit.record import Event, record
from backend.blobs import Blobs, Part, Staging, UploadTakenOver
from backend.blobs.address import WrongBytesError
from backend.errors import DoorstepError
from backend.identity.callers import CallingDevice
from backend.ids import new_id
from backend.store import evidence as store
from backend.store import privacy
from backend.store.database import Database, Tx, moment
from backend.store.evidence import Upload
from backend.tables.evidence import Evidence
from driver_api.tus import ChecksumMismatch
from pod.evidence import PhotoFacts, SignatureFacts
from pod.inspector import Inspector
from pod.service import settle


@dataclass(frozen=True, slots=True)
class Completion:
    """What becomes of an upload that is whole, over the stores that takes."""

    db: Database
    staging: Staging
    blobs: Blobs
    inspector: Inspector

    async def complete(self, device: CallingDevice, upload: Upload, part: Part) -> None:
        """Check the whole, keep it, enter it in the log.

        Raises:
            ChecksumMismatch: the bytes are not those announced.
            DoorstepError: 413 or 415, they are not evidence.
            UploadTakenOver: somebody newer is at it, and will hear the verdict.
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
        await self.staging.discard(device.id, upload.sha256, of=part)

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
