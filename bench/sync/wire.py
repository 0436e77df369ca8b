"""An HTTP/1.1 client that costs next to nothing, since it shares the machine with what it measures.

Requests are bytes made beforehand. Only bodies count as bytes; headers are told apart.
"""

import asyncio
from dataclasses import dataclass, field
from typing import cast


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply: sizes of both bodies, the reply, and its headers' size."""

    status: int
    sent: int
    body: bytes
    overhead: int


class BadAnswer(RuntimeError):
    """A measured server refused what it should have taken."""


@dataclass(slots=True)
class Line(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    host: str
    port: int
    _transport: asyncio.Transport | None = None
    _answer: "asyncio.Future[bytes] | None" = None
    _heard: bytearray = field(default_factory=bytearray)
    _wanted: int = -1

    async def ask(self, head: bytes, body: bytes = b"") -> Exchange:
        """Send a request whose head lacks only its length; return the whole reply."""
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            await loop.create_connection(lambda: self, self.host, self.port)
        assert self._transport is not None
        self._answer, self._wanted = loop.create_future(), -1
        whole = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        self._transport.write(whole)
        raw = await self._answer
        end = raw.index(b"\r\n\r\n") + 4
        overhead = len(whole) - len(body) + end
        return Exchange(int(raw[9:12]), len(body), raw[end:], overhead)

    async def expect(self, status: int, head: bytes, body: bytes = b"") -> Exchange:
        """Ask, and accept no other status.

        Raises:
            BadAnswer: with what was said instead.
        """
        exchange = await self.ask(head, body)
        if exchange.status != status:
            raise BadAnswer(f"{head[:80]!r}: {exchange.status} {exchange.body[:500]!r}")
        return exchange

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect until the promised length is there."""
        self._heard += data
        if self._wanted < 0:
            end = self._heard.find(b"\r\n\r\n")
            if end < 0:
                return
            self._wanted = end + 4 + _length(bytes(self._heard[:end]))
        if len(self._heard) >= self._wanted and self._answer is not None:
            raw, self._heard = bytes(self._heard), bytearray()
            self._answer.set_result(raw)
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server hung up"))


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        if lowered[9:12] in {b"204", b"304"}:
            return 0
        raise BadAnswer(f"a reply without a length: {head[:200]!r}")
    return int(lowered[at + 17 :].split(b"\r\n", 1)[0])
