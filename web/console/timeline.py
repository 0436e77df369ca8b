"""What happened at a stop, with both clocks, and the evidence that speaks of it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from backend.blobs import Blobs, is_sha256
from backend.clock import rfc3339
from backend.errors import NotFound
from backend.identity.people import SignedIn
from backend.store import timeline as store
from backend.store.database import Database
from web.paging import Page
from web.paths import the_id
from web.scope import must_see_stop

# Bytes a stranger made: never a document of ours, whatever they turn out to be.
HANDS_OFF = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=3600",
}
_ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "application/json": "json",
}


class HappeningOut(msgspec.Struct, frozen=True):
    """One event: ``happened`` by our reckoning, ``known`` when the server learnt of it.

    ``device_wall`` is what the phone's own clock showed; ``time_uncertain`` says that no clock of
    ours bounds when it was.
    """

    id: UUID
    kind: str
    source: str
    mutation_id: UUID | None
    happened: str
    known: str
    findings: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    entry: str | None
    version: int
    outcome: str
    uncertainty_ms: int | None
    time_uncertain: bool
    device_wall: str | None
    device_id: UUID | None


class TimelineController(Controller):
    """Timelines and evidence."""

    @get("/stops/{stop_id:str}/timeline", operation_id="showTimeline")
    async def timeline(
        self,
        stop_id: FromPath[str],
        db: NamedDependency[Database],
        person: NamedDependency[SignedIn],
    ) -> Page[HappeningOut]:
        """Return everything that happened at a stop, in the order it became known."""
        async with db.snapshot() as tx:
            ground = await must_see_stop(tx, person, the_id(stop_id))
            found = await store.timeline(tx, ground.stop_id)
        return Page([_out(event) for event in found])

    @get("/evidence/{sha256:str}", operation_id="downloadEvidence")
    async def evidence(
        self,
        sha256: FromPath[str],
        db: NamedDependency[Database],
        blobs: NamedDependency[Blobs],
        person: NamedDependency[SignedIn],
    ) -> Stream:
        """Return verified bytes that belong to a stop in scope, as an attachment."""
        media_type = await _type_of(db, person, sha256)
        if media_type is None:
            raise NotFound
        name = f"{sha256[:16]}.{_ENDINGS.get(media_type, 'bin')}"
        shown = {**HANDS_OFF, "Content-Disposition": f'attachment; filename="{name}"'}
        return Stream(await _opened(blobs, sha256), media_type=media_type, headers=shown)


async def _type_of(db: Database, person: SignedIn, sha256: str) -> str | None:
    if not is_sha256(sha256):
        return None
    async with db.snapshot() as tx:
        return await store.media_type_of(tx, sha256, person.scope)


async def _opened(blobs: Blobs, sha256: str) -> AsyncIterator[bytes]:
    """Read the first piece before the answer begins, so that an absent blob is still a 404."""
    pieces = blobs.read(sha256)
    first = await anext(pieces, b"")

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return rest()


def _out(event: store.Happening) -> HappeningOut:
    return HappeningOut(
        id=event.id,
        kind=event.kind,
        source=event.source,
        mutation_id=event.mutation_id,
        happened=rfc3339(event.happened),
        known=rfc3339(event.known),
        findings=event.findings,
        evidence=event.evidence,
        entry=event.entry.hex() if event.entry else None,
        version=event.version,
        outcome=event.outcome,
        uncertainty_ms=event.uncertainty_ms,
        time_uncertain=event.time_uncertain,
        device_wall=rfc3339(event.device_wall) if event.device_wall else None,
        device_id=event.device_id,
    )
