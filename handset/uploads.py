"""Evidence on its way up: tus 1.0, resumed from wherever the server says it stands.

Small files go in one request. A wrong offset is asked for and corrected, a damaged upload starts
again, and a file the server will never take is set aside for the driver to replace.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field

import httpx
import msgspec

from handset.evidence import Shelf, Waiting
from handset.faults import ProtocolFault, Refused
from handset.session import Session
from handset.transport import refusal
from handset.wire import EvidenceStatus

_TUS = {"tus-resumable": "1.0.0"}
_BYTES = "application/offset+octet-stream"
CHUNK = 256 * 1024
# A file damaged this often in one call is left for the next one.
_RESTARTS = 3


@dataclass(slots=True)
class UploadReport:
    """What one call of `upload` did."""

    verified: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    freed: int = 0
    bytes_sent: int = 0


class Uploads:
    """Brings every waiting file to `verified`."""

    def __init__(self, shelf: Shelf, session: Session, chunk: int = CHUNK) -> None:
        self._shelf = shelf
        self._session = session
        self._chunk = chunk

    async def upload(self, skip: Collection[str] = ()) -> UploadReport:
        """Every waiting file in turn; what fails for good is set aside, else we stop here."""
        report = UploadReport()
        for waiting in self._shelf.waiting():
            if waiting.sha256 not in skip:
                await self._bring(waiting, report)
        report.freed = self._shelf.free()
        return report

    async def _bring(self, waiting: Waiting, report: UploadReport) -> None:
        data = self._shelf.path(waiting.sha256).read_bytes()
        try:
            verified = await self._send(waiting, data, report)
        except Refused as refused:
            if refused.status not in {413, 415}:
                raise
            self._shelf.mark(waiting.sha256, "refused", refused.code)
            report.refused.append(waiting.sha256)
            return
        if verified:
            self._shelf.mark(waiting.sha256, "verified")
            report.verified.append(waiting.sha256)

    async def _send(self, waiting: Waiting, data: bytes, report: UploadReport) -> bool:
        """True once the server has the right bytes."""
        restarts = 0
        offset = await self._create(waiting, data, report)
        while restarts < _RESTARTS:
            if offset is None:
                restarts += 1
                offset = await self._offset(waiting, data, report)
            elif offset >= len(data):
                status = await self.status(waiting.sha256)
                if status.state == "verified":
                    return True
                offset = None
            else:
                offset = await self._patch(waiting, data, offset, report)
        return False

    async def _create(self, waiting: Waiting, data: bytes, report: UploadReport) -> int | None:
        """Announce the file, with its bytes where they are few; the offset, None if unknown."""
        headers = {
            **_TUS,
            "upload-length": str(waiting.size),
            "upload-metadata": _metadata(waiting),
        }
        content = None
        if len(data) <= self._chunk:
            content = data
            headers["content-type"] = _BYTES
        answer = await self._session.call("POST", "/evidence", content=content, headers=headers)
        if answer.status_code in {409, 460}:  # damaged, or a later copy of this call took over
            return None
        if answer.status_code != 201:
            raise refusal(answer)
        offset = _offset(answer)
        report.bytes_sent += len(content or b"")
        return offset

    async def _offset(self, waiting: Waiting, data: bytes, report: UploadReport) -> int | None:
        """Where the server stands; a server that knows nothing of the file is told again."""
        answer = await self._session.call("HEAD", f"/evidence/{waiting.sha256}", headers=_TUS)
        if answer.status_code == 404:
            return await self._create(waiting, data, report)
        if answer.status_code not in {200, 204}:
            raise refusal(answer)
        return _offset(answer)

    async def _patch(
        self, waiting: Waiting, data: bytes, offset: int, report: UploadReport
    ) -> int | None:
        chunk = data[offset : offset + self._chunk]
        answer = await self._session.call(
            "PATCH",
            f"/evidence/{waiting.sha256}",
            content=chunk,
            headers={**_TUS, "upload-offset": str(offset), "content-type": _BYTES},
        )
        if answer.status_code in {404, 409, 460}:
            return None
        if answer.status_code not in {200, 204}:
            raise refusal(answer)
        report.bytes_sent += len(chunk)
        return _offset(answer)

    async def status(self, sha256: str) -> EvidenceStatus:
        """What the server says has become of a file."""
        answer = await self._session.call("GET", f"/evidence/{sha256}/status")
        if answer.status_code != 200:
            raise refusal(answer)
        return msgspec.json.decode(answer.content, type=EvidenceStatus)


def _metadata(waiting: Waiting) -> str:
    members = {
        "sha256": waiting.sha256,
        "kind": waiting.kind,
        "media_type": waiting.media_type,
    }
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in members.items()
    )


def _offset(answer: httpx.Response) -> int | None:
    text = answer.headers.get("upload-offset")
    if text is None:
        return None
    if not text.isdigit():
        raise ProtocolFault(f"an offset that is no number: {text!r}")
    return int(text)
