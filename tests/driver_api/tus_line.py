"""A phone that speaks tus to the application."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass

import httpx

from tests.fixtures.phones import Phone

PATH = "/driver/v1/evidence"
PATCH = {"Content-Type": "application/offset+octet-stream", "Tus-Resumable": "1.0.0"}


def sha_of(content: bytes) -> str:
    """Hash as an address."""
    return hashlib.sha256(content).hexdigest()


def metadata(sha256: str, kind: str = "photo", media_type: str = "image/jpeg") -> str:
    """Write Upload-Metadata."""
    said = {"sha256": sha256, "kind": kind, "media_type": media_type}
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in said.items())


@dataclass
class Line:
    """One phone's connection, speaking tus."""

    client: httpx.AsyncClient
    phone: Phone

    async def call(
        self, method: str, path: str, content: bytes | None = None, /, **headers: str
    ) -> httpx.Response:
        """Call with the phone's token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = self.phone.headers | named
        return await self.client.request(method, PATH + path, content=content, headers=sent)

    async def create(
        self,
        content: bytes,
        kind: str = "photo",
        media_type: str = "image/jpeg",
        length: int | None = None,
    ) -> httpx.Response:
        """Announce an upload."""
        size = len(content) if length is None else length
        said = metadata(sha_of(content), kind, media_type)
        return await self.call("POST", "", Upload_Length=str(size), Upload_Metadata=said)

    async def send(
        self, sha256: str, offset: int, content: bytes, **headers: str
    ) -> httpx.Response:
        """Send bytes at an offset."""
        sent = PATCH | {"Upload-Offset": str(offset)} | headers
        return await self.call("PATCH", f"/{sha256}", content, **sent)

    async def status(self, sha256: str) -> dict[str, object]:
        """Ask where an upload stands."""
        answer = await self.call("GET", f"/{sha256}/status")
        assert answer.status_code == 200, answer.text
        body: dict[str, object] = answer.json()
        return body
