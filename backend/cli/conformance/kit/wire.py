"""Raw HTTP: what is sent is what a check says, byte for byte; what came is kept to be shown."""

import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
PATIENCE_S = 30.0
_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body as an object; an empty one where it is none."""
        with contextlib.suppress(ValueError):
            value = json.loads(self.body)
            if isinstance(value, dict):
                return value
        return {}

    @property
    def code(self) -> object:
        """The stable code of a problem document."""
        return self.json.get("code")

    def __str__(self) -> str:
        """Words for a report."""
        return f"{self.status} {self.body[:_SHOWN].decode('utf-8', 'replace')}"


@dataclass(slots=True)
class Wire:
    """A way to one server; remembers the last request for the report."""

    url: str
    said: str = ""
    _base: str = field(init=False)

    def __post_init__(self) -> None:
        """Leave the address without a slash at its end."""
        self._base = self.url.rstrip("/")

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own.

        Raises:
            OSError: there is no such server, or it hung up.
            HTTPException: what came is no HTTP.
            UnicodeError: the server's name or the path cannot be written.
        """
        self.said = f"{method} {path} {body[:_SHOWN].decode('utf-8', 'replace')}".strip()
        with contextlib.closing(self._connect()) as line:
            line.request(method, self._path(path), body or None, dict(headers or {}))
            got = line.getresponse()
            lowered = {name.lower(): value for name, value in got.headers.items()}
            return Answer(got.status, lowered, got.read())

    def opened(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Open a stream and leave it; its status and its type."""
        self.said = f"GET {path}"
        with contextlib.closing(self._connect()) as line:
            line.request("GET", self._path(path), None, dict(headers))
            got = line.getresponse()
            return got.status, got.headers.get("Content-Type", "")

    def _connect(self) -> http.client.HTTPConnection:
        where = urlsplit(self._base)
        kind = http.client.HTTPSConnection if where.scheme == "https" else None
        return (kind or http.client.HTTPConnection)(
            where.hostname or "", where.port, timeout=PATIENCE_S
        )

    def _path(self, path: str) -> str:
        return urlsplit(self._base).path + path
