"""One phone's way to the server: a proxy with a port and dice of its own.

A phone talks to its port as to any server; what arrives on the other side, how often and when, and
what comes back, is the road's doing. Since every phone has a road, its luck is its own, and how the
others fare changes nothing.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from backend.cli.drill.faults import LATEST_S, NO_FAULTS, Dice, Fault, Faults, Luck
from backend.cli.drill.wire import Message, read_reply, read_request

# An enrolment code works once, and wrong tries are counted for the address all phones share here.
_NEVER_TWICE = frozenset({"/driver/v1/devices"})
_AT_ONCE = struct.pack("ii", 1, 0)
_SILENT = (ConnectionError, asyncio.IncompleteReadError)
# One delay in so many is so long that the phone gives up.
_TOO_LATE = 0.25

_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)
_Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Traffic:
    """What all roads together saw of the server."""

    faults: Counter[Fault] = field(default_factory=Counter)
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    # Answers that a phone has no use for, by call.
    refusals: Counter[str] = field(default_factory=Counter)
    # Those of 500 and above that are no plea for patience.
    failures: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    bytes_up: int = 0
    bytes_down: int = 0


class Road:
    """Listens for one phone and carries its requests to the server, as far as its luck allows."""

    def __init__(
        self, server: tuple[str, int], traffic: Traffic, faults: Faults = NO_FAULTS, seed: str = ""
    ) -> None:
        self._server = server
        self._traffic = traffic
        self._dice = Dice(faults, seed)
        self._late: set[asyncio.Task[None]] = set()
        self._lines: set[asyncio.Task[None]] = set()
        self.url = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Road"]:
        """Listen for the length of the block."""
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            listener.close()
            await self.quiet()

    async def quiet(self) -> None:
        """Return when nothing is under way any more; connections that wait are cut."""
        await asyncio.gather(*self._late, return_exceptions=True)
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def mend(self) -> None:
        """No faults from now on."""
        self._dice.faults = NO_FAULTS

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the phone, request by request, until luck or the phone ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        carrier = _Carrier(self._server, self._traffic)
        try:
            while (request := await read_request(reader)) is not None:
                luck = self._dice.throw()
                if not await self._carry(carrier, request, luck, writer):
                    return
        except (*_SILENT, OSError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(task)
            carrier.hang_up()
            writer.close()

    async def _carry(
        self, carrier: "_Carrier", request: Message, luck: Luck, phone: asyncio.StreamWriter
    ) -> bool:
        """Carry one request; whether the phone's connection goes on."""
        fault = self._suffered(request, luck)
        if luck.delay_s:
            if luck.variant < _TOO_LATE and fault is Fault.DELAY:
                self._send_late(request, luck)
                return False
            await asyncio.sleep(luck.delay_s)
        match fault:
            case Fault.LOST_REQUEST:
                return False
            case Fault.LOST_REPLY:
                await carrier.exchange(request)
                return False
            case Fault.TRUNCATION | Fault.RESET | Fault.UNAVAILABLE:
                await _BREAKS[fault](carrier, request, luck, phone)
                return False
            case Fault.DUPLICATE:
                reply = await self._twice(carrier, request, luck)
            case _:
                reply = await carrier.exchange(request)
        phone.write(reply.raw)
        await phone.drain()
        return reply.stays_open

    def _suffered(self, request: Message, luck: Luck) -> Fault | None:
        if luck.fault is Fault.DUPLICATE and request.path in _NEVER_TWICE:
            return None
        if luck.fault is not None:
            self._traffic.faults[luck.fault] += 1
        return luck.fault

    async def _twice(self, carrier: "_Carrier", request: Message, luck: Luck) -> Message:
        """Once after the other on one line, or both at once on two; either reply comes back."""
        if luck.variant < 0.5:
            first = await carrier.exchange(request)
            second = await carrier.exchange(request)
        else:
            beside = _Carrier(self._server, self._traffic)
            try:
                first, second = await asyncio.gather(
                    carrier.exchange(request), beside.exchange(request)
                )
            finally:
                beside.hang_up()
        return first if luck.where < 0.5 else second

    def _send_late(self, request: Message, luck: Luck) -> None:
        task = asyncio.create_task(self._deliver_late(request, LATEST_S * luck.where))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _deliver_late(self, request: Message, after_s: float) -> None:
        await asyncio.sleep(after_s)
        carrier = _Carrier(self._server, self._traffic)
        try:
            with contextlib.suppress(*_SILENT, OSError):
                await carrier.exchange(request)
        finally:
            carrier.hang_up()


async def _truncate(
    carrier: "_Carrier", request: Message, luck: Luck, phone: asyncio.StreamWriter
) -> None:
    """Let a part of the request or of the reply through, and cut."""
    if luck.variant < 0.5:
        await carrier.send(_part(request, luck))
    else:
        phone.write(_part(await carrier.exchange(request), luck))
        await phone.drain()


async def _reset(
    carrier: "_Carrier", request: Message, luck: Luck, phone: asyncio.StreamWriter
) -> None:
    """RST before the request, after it, or within the reply."""
    if luck.variant > 1 / 3:
        reply = await carrier.exchange(request)
        if luck.variant > 2 / 3:
            phone.write(_part(reply, luck))
            await phone.drain()
    line = phone.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    phone.transport.abort()


async def _refuse(
    carrier: "_Carrier", request: Message, luck: Luck, phone: asyncio.StreamWriter
) -> None:
    """A gateway has no patience: before the server heard of it, or after it did its work."""
    if luck.variant < 0.5:
        await carrier.exchange(request)
    phone.write(_UNAVAILABLE)
    await phone.drain()


_BREAKS = {Fault.TRUNCATION: _truncate, Fault.RESET: _reset, Fault.UNAVAILABLE: _refuse}


def _part(message: Message, luck: Luck) -> bytes:
    """Some of the bytes, never all."""
    return message.raw[: int(len(message.raw) * luck.where)]


class _Carrier:
    """A connection to the server, opened when needed and kept while it works."""

    def __init__(self, server: tuple[str, int], traffic: Traffic) -> None:
        self._server = server
        self._traffic = traffic
        self._line: _Line | None = None

    async def exchange(self, request: Message) -> Message:
        """Send a request whole and return its reply, on a new line if the old one was closed."""
        began = time.monotonic()
        kept = self._line is not None
        try:
            reply = await self._try(request)
        except (*_SILENT, OSError):
            self.hang_up()
            if not kept:
                self._traffic.unanswered += 1
                raise
            reply = await self._again(request)
        self._note(request, reply, time.monotonic() - began)
        if not reply.stays_open:
            self.hang_up()
        return reply

    async def send(self, raw: bytes) -> None:
        """Send these bytes and hang up, as a dead radio does."""
        _, server = await self._open()
        server.write(raw)
        await server.drain()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the line."""
        if self._line is not None:
            self._line[1].close()
        self._line = None

    async def _again(self, request: Message) -> Message:
        try:
            return await self._try(request)
        except (*_SILENT, OSError):
            self._traffic.unanswered += 1
            raise

    async def _try(self, request: Message) -> Message:
        reader, server = await self._open()
        server.write(request.raw)
        await server.drain()
        return await read_reply(reader, request.method)

    async def _open(self) -> _Line:
        if self._line is None:
            self._line = await asyncio.open_connection(*self._server, limit=1 << 20)
        return self._line

    def _note(self, request: Message, reply: Message, took_s: float) -> None:
        traffic = self._traffic
        traffic.requests += 1
        traffic.statuses[reply.status] += 1
        if took_s > traffic.slowest_s:
            traffic.slowest_s, traffic.slowest = took_s, f"{request.method} {request.path}"
        traffic.bytes_up += len(request.raw)
        traffic.bytes_down += len(reply.raw)
        if reply.status >= 400:
            call = f"{request.method} {'/'.join(request.path.split('/')[:4])} {reply.status}"
            traffic.refusals[call] += 1
            traffic.failures[call] += reply.status >= 500 and reply.status != 503
