"""The log over HTTP: entries to search, the checkpoint and key to keep, bundles to hand on."""

import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import IO, Annotated
from uuid import UUID

import anyio.to_thread
import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from backend.audit.checkpoint import signer_of
from backend.audit.export import Asked, export
from backend.audit.seal import seal
from backend.audit.verify import ACTOR_TYPES
from backend.blobs import Blobs
from backend.clock import parse_time
from backend.domain.people import Role
from backend.errors import InputError
from backend.identity.people import SignedIn
from backend.ids import parse_id
from backend.keys import Keys
from backend.store import log
from backend.store.database import Database
from backend.wire.json import InputInvalid, read_json
from web.paging import PAGE, CursorInvalid, Page, page, read_cursor

_CHUNK = 1 << 16
_Text = Annotated[str, Meta(max_length=100, pattern=r"^[^\x00]*$")]


class EntryOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry as it was sealed; ``leaf`` is its hash, ``index`` its place (null while pending)."""

    v: int
    id: str
    n: int
    entity: str
    entity_id: str
    action: str
    actor: dict[str, str]
    at: str
    change: dict[str, list[object]]
    pii: dict[str, str]
    evidence: list[str]
    prev: str | None
    leaf: str
    index: int | None
    occurred: str | None = None
    request: str | None = None
    cause: str | None = None


class ExportIn(msgspec.Struct, frozen=True):
    """Which period, which older tree to continue, and whether the files come along."""

    start: _Text = msgspec.field(name="from")
    end: _Text = msgspec.field(name="to")
    since: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    evidence: bool = False


class AuditController(Controller):
    """The audit log. Compliance and administrators read it; its key and checkpoint are for all."""

    path = "/audit"

    @get("/entries", operation_id="listAuditEntries")
    async def entries(
        self,
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        person: NamedDependency[SignedIn],
        entity: FromQuery[str | None] = None,
        actor: FromQuery[str | None] = None,
        start: Annotated[str | None, QueryParameter(name="from")] = None,
        end: Annotated[str | None, QueryParameter(name="to")] = None,
        after: FromQuery[str | None] = None,
    ) -> Page[EntryOut]:
        """List entries, newest last, by entity (name, id or ``name:id``), actor (alike), period."""
        person.must_be(Role.COMPLIANCE)
        kind, entity_id = _named(entity)
        actor_type, actor_id = _actor(actor)
        asked = log.Asked(
            kind,
            entity_id,
            actor_type,
            actor_id,
            None if not start else _moment(start, "/from"),
            None if not end else _moment(end, "/to"),
            _after(after),
        )
        if not after:
            await seal(db, signer_of(keys))
        async with db.snapshot() as tx:
            found = await log.entries(tx, asked, PAGE + 1)
        rows, following = page(found, lambda row: (rfc3339_exact(row.at), str(row.id)))
        return Page([_out(row) for row in rows], following)

    @get("/checkpoint", operation_id="getCheckpoint")
    async def checkpoint(
        self,
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        person: NamedDependency[SignedIn],
    ) -> Response[bytes]:
        """Return the signed checkpoint over everything recorded until now."""
        del person
        return _text((await seal(db, signer_of(keys))).note)

    @get("/key", operation_id="getLogKey")
    async def key(
        self, keys: NamedDependency[Keys], person: NamedDependency[SignedIn]
    ) -> Response[bytes]:
        """Return the log's verifier key."""
        del person
        return _text(signer_of(keys).key.text)

    @post("/exports", status_code=200, operation_id="exportAudit", opt={"body": ExportIn})
    async def exports(
        self,
        request: Request[None, None, State],
        db: NamedDependency[Database],
        keys: NamedDependency[Keys],
        blobs: NamedDependency[Blobs],
        person: NamedDependency[SignedIn],
    ) -> Stream:
        """Return the bundle of a period; its form is a contract of its own."""
        person.must_be(Role.COMPLIANCE)
        given = await read_json(request, ExportIn)
        asked = Asked(
            _moment(given.start, "/from"), _moment(given.end, "/to"), given.since, given.evidence
        )
        if asked.start > asked.end:
            raise InputInvalid(errors=[InputError("/to", "out_of_range", "before from")])
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the stream, or here on failure
        try:
            await export(db, signer_of(keys), blobs, asked, file)
        except BaseException:
            file.close()
            raise
        size = file.tell()
        name = f'attachment; filename="audit-{asked.start:%Y%m%d}-{asked.end:%Y%m%d}.zip"'
        headers = {"Content-Disposition": name, "Content-Length": str(size)}
        return Stream(
            _pieces(file),
            media_type="application/zip",
            headers=headers | {"Cache-Control": "no-store"},
        )


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while piece := await anyio.to_thread.run_sync(file.read, _CHUNK):
            yield piece


def _text(content: str) -> Response[bytes]:
    headers = {"Cache-Control": "no-store"}
    return Response(content.encode(), media_type="text/plain", headers=headers)


def _out(row: log.Listed) -> EntryOut:
    body = msgspec.json.decode(row.leaf)
    return msgspec.convert(body | {"leaf": row.leaf_hash.hex(), "index": row.index}, EntryOut)


def rfc3339_exact(moment: datetime) -> str:
    """Write a moment with all the digits the database keeps: a cursor must not round."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _after(after: str | None) -> tuple[datetime, UUID] | None:
    key = read_cursor(after, 2)
    if key is None:
        return None
    try:
        moment, entry_id = parse_time(key[0]), parse_id(key[1])
    except ValueError as error:
        raise CursorInvalid from error
    if entry_id is None:
        raise CursorInvalid
    return moment, entry_id


def _moment(text: str, pointer: str) -> datetime:
    """Read a time; a bare date is its first moment in UTC."""
    try:
        return parse_time(f"{text}T00:00:00Z" if len(text) == 10 else text)
    except ValueError as error:
        fault = InputError(pointer, "wrong_format", "not an RFC 3339 time")
        raise InputInvalid(errors=[fault]) from error


def _named(entity: str | None) -> tuple[str | None, str | None]:
    """Read ``stop``, an id, or ``stop:id``."""
    if not entity:
        return None, None
    kind, colon, entity_id = _clean(entity).partition(":")
    if colon:
        return kind, entity_id
    return (None, kind) if parse_id(kind) else (kind, None)


def _actor(actor: str | None) -> tuple[str | None, str | None]:
    """Read a type of actor, an id, or ``type:id``."""
    if not actor:
        return None, None
    kind, colon, actor_id = _clean(actor).partition(":")
    if colon:
        return kind, actor_id
    return (kind, None) if kind in ACTOR_TYPES else (None, kind)


def _clean(text: str) -> str:
    if "\0" in text:
        raise InputInvalid(errors=[InputError("", "nul_character", "contains U+0000")])
    return text
