"""What the road does to a request, seen from both its ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from backend.cli.drill.faults import Fault, Faults
from backend.cli.drill.road import Road, Traffic
from backend.cli.drill.wire import read_request

pytestmark = pytest.mark.anyio

BODY = b"x" * 5_000


@dataclass
class Server:
    """The simplest there is: answers everything with what it was sent, and keeps count."""

    heard: list[bytes] = field(default_factory=list)
    broken: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while (request := await read_request(reader)) is not None:
            self.heard.append(request.body)
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body)
            writer.write(head + request.body)
            await writer.drain()
        self.broken += 1
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Listening."""
    served = Server()
    async with await asyncio.start_server(served.serve, "127.0.0.1", 0) as listener:
        served.port = listener.sockets[0].getsockname()[1]
        yield served


async def _ask(server: Server, faults: Faults, times: int = 1, path: str = "/a") -> list[int]:
    """Ask so often through such a road; the statuses, 0 where no answer came."""
    road = Road(("127.0.0.1", server.port), Traffic(), faults, "seed")
    told = []
    async with road.open(), httpx.AsyncClient(base_url=road.url) as phone:
        for _ in range(times):
            try:
                answer = await phone.post(path, content=BODY)
            except httpx.TransportError:
                told.append(0)
            else:
                told.append(answer.status_code)
                assert answer.status_code == 503 or answer.content == BODY
    return told


async def test_a_good_road_changes_nothing(server: Server) -> None:
    """Request by request, byte by byte, over one connection."""
    assert await _ask(server, {}, 5) == [200] * 5
    assert server.heard == [BODY] * 5


async def test_a_lost_request_is_never_heard(server: Server) -> None:
    """The phone hears nothing, and neither does the server."""
    assert await _ask(server, {Fault.LOST_REQUEST: 1}) == [0]
    assert server.heard == []


async def test_a_lost_reply_is_work_done_for_nobody(server: Server) -> None:
    """The server did it; the phone cannot know."""
    assert await _ask(server, {Fault.LOST_REPLY: 1}) == [0]
    assert server.heard == [BODY]


async def test_a_duplicate_is_heard_twice(server: Server) -> None:
    """And answered once; but an enrolment never is, for its code works once."""
    assert await _ask(server, {Fault.DUPLICATE: 1}, 6) == [200] * 6
    assert server.heard == [BODY] * 12
    assert await _ask(server, {Fault.DUPLICATE: 1}, path="/driver/v1/devices") == [200]
    assert server.heard == [BODY] * 13


async def test_a_delayed_request_arrives_even_when_the_phone_has_given_up(server: Server) -> None:
    """Some are only late; of the others the phone hears nothing, and the server does."""
    told = await _ask(server, {Fault.DELAY: 1}, 12)
    assert {0, 200} == set(told)
    assert server.heard == [BODY] * 12


async def test_what_breaks_off_is_never_taken_for_whole(server: Server) -> None:
    """Neither half a request by the server nor half a reply by the phone."""
    assert await _ask(server, {Fault.TRUNCATION: 1}, 12) == [0] * 12
    assert 0 < len(server.heard) < 12
    assert set(server.heard) == {BODY}


async def test_a_reset_comes_before_after_or_within_the_reply(server: Server) -> None:
    """The phone hears nothing whole, whatever the server did."""
    assert await _ask(server, {Fault.RESET: 1}, 12) == [0] * 12
    assert 0 < len(server.heard) < 12


async def test_a_gateway_says_503_whatever_the_server_did(server: Server) -> None:
    """Sometimes before it asked, sometimes after."""
    assert await _ask(server, {Fault.UNAVAILABLE: 1}, 12) == [503] * 12
    assert 0 < len(server.heard) < 12


async def test_a_server_that_is_gone_is_no_answer(server: Server) -> None:
    """The road does not invent one."""
    server.port = 1
    assert await _ask(server, {}, 2) == [0, 0]
