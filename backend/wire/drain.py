"""Hear a caller out before he is refused.

A connection that is closed over bytes that nobody read is reset, and the answer is lost on the way:
the phone would not learn that its token is over, but only that the network failed, again and again.
"""

from collections.abc import Iterable

import anyio
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

MOST = 16 * 1024 * 1024  # more than any body that is ours to take
SECONDS = 10.0


class Drain(ASGIMiddleware):
    """Reads what is left of a body before its answer begins; closes where that is too much."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the app with a ``send`` that first reads what nobody read."""
        if not _has_body(scope["headers"]):
            await next_app(scope, receive, send)
            return
        body = _Body(receive)

        async def draining(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.ended:
                await body.read_on()
                if not body.ended:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await next_app(scope, body.receive, draining)


class _Body:
    """A request's body, and whether it was read to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def receive(self) -> HTTPReceiveMessage:
        """Give the next piece."""
        message: HTTPReceiveMessage = await self._receive()  # type: ignore[assignment]  # of HTTP
        self.ended = message["type"] == "http.disconnect" or not message["more_body"]
        return message

    async def read_on(self) -> None:
        """Read to the end, as far as that is bearable."""
        left = MOST
        with anyio.move_on_after(SECONDS):
            while not self.ended and left > 0:
                message = await self.receive()
                left -= len(message["body"]) if message["type"] == "http.request" else 0


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    named = {name.lower(): value for name, value in headers}
    return b"transfer-encoding" in named or named.get(b"content-length", b"0") != b"0"
