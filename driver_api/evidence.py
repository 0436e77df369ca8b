"""Evidence over tus 1.0.0 (contract §3): resumable from any network, in any order with events."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, head, patch, post
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.params import FromPath
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from backend.blobs import Blobs, Staging
from backend.identity.callers import CallingDevice
from backend.store.database import Database
from backend.wire.body import pieces
from backend.wire.problem import MethodNotAllowed
from backend.wire.request_id import AnyRequest
from driver_api import tus
from driver_api.announcement import MAX_SIZE, EvidenceTooLarge, read_announcement
from driver_api.uploads import Standing, Uploads
from pod.inspector import Inspector

PATH = "/driver/v1/evidence"


class StatusOut(msgspec.Struct, frozen=True):
    """Where an upload stands."""

    state: Annotated[str, msgspec.Meta(description="announced, partial, verified or corrupt")]
    offset: int
    size: int


class SpeakTus(ASGIMiddleware):
    """Writes ``Tus-Resumable`` on every answer, refusals included, and tells OPTIONS the rest."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the app with the headers added."""
        asked = scope.get("method") == "OPTIONS"
        added = [*_SPOKEN, _allowed(scope)] if asked else _SPOKEN[:1]
        dropped = {name for name, _ in added}

        async def speaking(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() not in dropped]
                message["headers"] = [*kept, *added]
            await send(message)

        await next_app(scope, receive, speaking)


_SPOKEN = [
    (b"tus-resumable", tus.VERSION.encode()),
    (b"tus-version", tus.VERSION.encode()),
    (b"tus-extension", tus.EXTENSIONS.encode()),
    (b"tus-max-size", str(MAX_SIZE).encode()),
    (b"tus-checksum-algorithm", ",".join(tus.ALGORITHMS).encode()),
]


def _allowed(scope: Scope) -> tuple[bytes, bytes]:
    """Name every method of the path; the framework names those of one handler only."""
    template = scope["path_template"]
    routes = (route for route in scope["litestar_app"].routes if route.path_format == template)
    methods = {
        method for route in routes if isinstance(route, HTTPRoute) for method in route.methods
    }
    return b"allow", ", ".join(sorted(methods)).encode()


async def uploads(
    db: NamedDependency[Database],
    staging: NamedDependency[Staging],
    blobs: NamedDependency[Blobs],
    inspector: NamedDependency[Inspector],
) -> Uploads:
    """Put the use cases over the application's stores."""
    return Uploads(db, staging, blobs, inspector)


class EvidenceController(Controller):
    """One upload per device and hash."""

    path = "/evidence"
    tags = ("evidence",)
    middleware = (SpeakTus(),)

    @post("/", operation_id="announceEvidence", opt={"body": tus.PATCH_TYPE})
    async def announce(
        self,
        request: AnyRequest,
        device: NamedDependency[CallingDevice],
        uploads: NamedDependency[Uploads],
    ) -> Response[bytes]:
        """Announce an upload, with its first bytes if the body carries them."""
        tus.check_version(request.headers)
        if "upload-defer-length" in request.headers:
            raise tus.TusHeaderInvalid("Upload-Defer-Length: the length is needed at once")
        size = tus.number(request.headers, "Upload-Length")
        announced = read_announcement(tus.metadata(request.headers), size)
        standing = await uploads.announce(device, announced)
        if tus.is_patch(request.headers) and not standing.is_verified:
            await uploads.restart(device, announced.sha256)
            standing = await _append(request, device, uploads, announced.sha256, 0)
        elif standing.offset == size:
            standing = await uploads.resume(device, announced.sha256)
        location = {"Location": f"{PATH}/{announced.sha256}"}
        headers = location | _offset(standing)
        return Response(b"", status_code=201, headers=headers, media_type="text/plain")

    @head("/{sha256:str}", operation_id="findEvidenceOffset")
    async def look(
        self,
        request: AnyRequest,
        sha256: FromPath[str],
        device: NamedDependency[CallingDevice],
        uploads: NamedDependency[Uploads],
    ) -> Response[None]:
        """Tell how many bytes arrived."""
        tus.check_version(request.headers)
        return _standing(await uploads.find(device, sha256))

    @patch(
        "/{sha256:str}",
        operation_id="appendEvidence",
        status_code=204,
        opt={"body": tus.PATCH_TYPE},
    )
    async def append(
        self,
        request: AnyRequest,
        sha256: FromPath[str],
        device: NamedDependency[CallingDevice],
        uploads: NamedDependency[Uploads],
    ) -> Response[None]:
        """Add bytes at the offset where the upload stands."""
        return await _patch(request, sha256, device, uploads)

    @delete("/{sha256:str}", operation_id="withdrawEvidence", status_code=204)
    async def withdraw(
        self,
        request: AnyRequest,
        sha256: FromPath[str],
        device: NamedDependency[CallingDevice],
        uploads: NamedDependency[Uploads],
    ) -> None:
        """Forget an unfinished upload; verified evidence stays."""
        tus.check_version(request.headers)
        await uploads.withdraw(device, sha256)

    @get("/{sha256:str}/status", operation_id="readEvidenceStatus")
    async def status(
        self,
        sha256: FromPath[str],
        device: NamedDependency[CallingDevice],
        uploads: NamedDependency[Uploads],
    ) -> Response[StatusOut]:
        """Tell the state of an upload."""
        standing = await uploads.find(device, sha256)
        body = StatusOut(standing.state, standing.offset, standing.upload.size)
        return Response(body, headers={"Cache-Control": "no-store"})

    @post("/{sha256:str}", include_in_schema=False, status_code=204)
    async def instead(
        self,
        request: AnyRequest,
        sha256: FromPath[str],
        device: NamedDependency[CallingDevice],
        uploads: NamedDependency[Uploads],
    ) -> Response[None]:
        """Do what ``X-HTTP-Method-Override`` says, for phones behind proxies that know no PATCH."""
        override = request.headers.get("x-http-method-override", "").upper()
        if override not in _OVERRIDES:
            raise MethodNotAllowed(headers={"Allow": "HEAD, PATCH, DELETE, OPTIONS"})
        return await _OVERRIDES[override](request, sha256, device, uploads)


async def _patch(
    request: AnyRequest, sha256: str, device: CallingDevice, uploads: Uploads
) -> Response[None]:
    tus.check_version(request.headers)
    tus.check_patch_type(request.headers)
    offset = tus.number(request.headers, "Upload-Offset")
    standing = await _append(request, device, uploads, sha256, offset)
    return _empty(204, _offset(standing))


async def _withdraw(
    request: AnyRequest, sha256: str, device: CallingDevice, uploads: Uploads
) -> Response[None]:
    tus.check_version(request.headers)
    await uploads.withdraw(device, sha256)
    return _empty(204, {})


_Override = Callable[[AnyRequest, str, CallingDevice, Uploads], Awaitable[Response[None]]]
_OVERRIDES: dict[str, _Override] = {"PATCH": _patch, "DELETE": _withdraw}


async def _append(
    request: AnyRequest, device: CallingDevice, uploads: Uploads, sha256: str, offset: int
) -> Standing:
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and len(announced) < 19:
        _check_room(offset + int(announced))
    checksum = tus.checksum(request.headers)
    return await uploads.append(device, sha256, offset, pieces(request), checksum)


def _check_room(length: int) -> None:
    if length > MAX_SIZE:
        raise EvidenceTooLarge(f"at most {MAX_SIZE} bytes")


def _offset(standing: Standing) -> dict[str, str]:
    return {"Upload-Offset": str(standing.offset)}


def _standing(standing: Standing) -> Response[None]:
    upload = standing.upload
    said = {"sha256": upload.sha256, "kind": upload.kind, "media_type": upload.media_type}
    headers = {
        "Upload-Length": str(upload.size),
        "Upload-Metadata": tus.write_metadata(said),
        "Cache-Control": "no-store",
    }
    return _empty(200, headers | _offset(standing))


def _empty(status: int, headers: dict[str, str]) -> Response[None]:
    return Response(None, status_code=status, headers=headers)
