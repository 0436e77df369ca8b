"""Calls to the application, with nothing in between: no socket, no client library."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Litestar

Json = dict[str, Any]
Headers = tuple[tuple[bytes, bytes], ...]

_JSON = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return msgspec.json.decode(self.body, type=dict[str, Any])


async def call(
    app: Litestar,
    method: str,
    path: str,
    token: str,
    body: bytes = b"",
    *,
    headers: Headers = (),
    query: bytes = b"",
    breaks_off: bool = False,
) -> Answer:
    """Call the application as its server would; ``breaks_off``: the body never comes to its end."""
    sent: list[Any] = []
    pieces = [{"type": "http.request", "body": body, "more_body": breaks_off}]

    async def receive() -> Any:  # noqa: ANN401 - an ASGI event
        return pieces.pop() if pieces else {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI event
        sent.append(message)

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [
            (b"authorization", f"Bearer {token}".encode()),
            *headers,
            *(() if any(name == b"content-type" for name, _ in headers) else _JSON),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return Answer(
        sent[0]["status"],
        dict(sent[0]["headers"]),
        b"".join(message.get("body", b"") for message in sent[1:]),
    )
