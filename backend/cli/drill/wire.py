"""Just enough of HTTP/1.1 to know where a message ends: the road passes on bytes as they came."""

import asyncio
from dataclasses import dataclass

_END = b"\r\n\r\n"
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a reply: its head with the empty line, and its body as it was framed."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> list[str]:
        return self.head.partition(b"\r\n")[0].decode("latin-1").split(" ")

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def method(self) -> str:
        return self.first_line[0]

    @property
    def path(self) -> str:
        return self.first_line[1].partition("?")[0]

    @property
    def status(self) -> int:
        return int(self.first_line[1])

    @property
    def stays_open(self) -> bool:
        return header(self.head, b"connection") != b"close"


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """The next request of a connection; None where there is none, or half of one."""
    try:
        head = await reader.readuntil(_END)
        return Message(head, await _body(reader, head))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def read_reply(reader: asyncio.StreamReader, method: str) -> Message:
    """The reply to a request of this method.

    Raises:
        IncompleteReadError, ConnectionError: the server fell silent.
    """
    head = await reader.readuntil(_END)
    reply = Message(head, b"")
    if reply.status < 200:
        return await read_reply(reader, method)
    if method == "HEAD" or reply.status in _BODILESS:
        return reply
    return Message(head, await _body(reader, head))


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if header(head, b"transfer-encoding") == b"chunked":
        return await _chunks(reader)
    return await reader.readexactly(int(header(head, b"content-length") or 0))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        parts += [line, await reader.readexactly(size + 2)]
        if size == 0:
            return b"".join(parts)


def header(head: bytes, name: bytes) -> bytes | None:
    """A header's value in lower case, or None."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().lower()
    return None
