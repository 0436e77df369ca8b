"""Hear a caller out before he is refused.

A connection that is closed over bytes that nobody read is reset, and the answer is lost on the way:
the phone would not learn that its token is over, but only that the network failed, again and again.
"""

from collections.abc import Mapping

import anyio
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

MOST = 16 * 1024 * 1024  # more than any body that is ours to take
SECONDS = 10.0
_REFUSED = 400


class Drain(ASGIMiddleware):
    """Reads what is left of a body before a refusal begins; closes where that is too much.

    A caller who waits to be asked for his body (``Expect: 100-continue``) is spared sending it.
    Paths that do not exist are answered by the framework, outside.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the app with a ``send`` that first reads what nobody read."""
        named = {name.lower(): value for name, value in scope["headers"]}
        if not _has_body(named):
            await next_app(scope, receive, send)
            return
        body = _Body(receive, waits=b"expect" in named)

        async def draining(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.ended:
                if message["status"] >= _REFUSED and not body.waits:
                    await body.read_on()
                if not body.ended:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await next_app(scope, body.receive, draining)


class _Body:
    """A request's body: was it read to its end, and does it wait to be asked for (RFC 9110)?"""

    def __init__(self, receive: Receive, *, waits: bool) -> None:
        self._receive = receive
        self.ended = False
        self.waits = waits

    async def receive(self) -> HTTPReceiveMessage:
        """Give the next piece."""
        self.waits = False
        message: HTTPReceiveMessage = await self._receive()  # type: ignore[assignment]  # of HTTP
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def read_on(self) -> None:
        """Read to the end, as far as that is bearable."""
        left = MOST
        with anyio.move_on_after(SECONDS):
            while not self.ended and left > 0:
                message = await self.receive()
                left -= len(message.get("body", b"")) if message["type"] == "http.request" else 0


def _has_body(named: Mapping[bytes, bytes]) -> bool:
    return b"transfer-encoding" in named or named.get(b"content-length", b"0") != b"0"
