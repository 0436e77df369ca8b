"""Whoever is refused hears why, however much of his body nobody wanted."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import anyio
import httpx
import pytest
from litestar.types import HTTPRequestEvent, Message, Receive, Scope, Send

from backend.wire import drain
from tests.fixtures.phones import settings_for
from tests.fixtures.servers import serving

pytestmark = pytest.mark.anyio

PIECE = 1024 * 1024


@pytest.mark.parametrize("path", ["/driver/v1/sync", "/driver/v1/positions"])
async def test_a_large_body_does_not_hide_a_refusal(
    fresh_pg_url: str, tmp_path: Path, path: str
) -> None:
    """Against a real server: without its being read, a fifth of these answers never arrives."""
    settings = settings_for(fresh_pg_url, tmp_path / "data")
    settings.data.mkdir()
    told: list[int] = []
    with serving(settings) as server:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:

            async def refused() -> None:
                for _ in range(10):
                    answer = await client.post(path, content=b"x" * 3 * PIECE)
                    told.append(answer.status_code)

            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(refused)
    assert told == [401] * 40


async def answered(
    pieces: AsyncIterator[bytes], status: int = 401, *more: tuple[bytes, bytes]
) -> dict[bytes, bytes]:
    """Answer a body without a look at it; return the head of the answer."""
    heads: list[dict[bytes, bytes]] = []

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive() -> HTTPRequestEvent:
        piece = await anext(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            heads.append(dict(message["headers"]))

    scope = cast("Scope", {"type": "http", "headers": [(b"transfer-encoding", b"chunked"), *more]})
    await drain.Drain().handle(scope, receive, send, refuse)
    return heads[0]


async def test_what_is_bearable_is_read_to_its_end() -> None:
    """The connection stays good for the next call."""
    read: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(16):
            read.append(number)
            yield b"x" * (PIECE - 1)

    assert b"connection" not in await answered(pieces())
    assert len(read) == 16


async def test_an_endless_body_has_an_end() -> None:
    """Of a body without end so much is read, and the caller is told that this was it."""
    read: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b"x" * PIECE

    assert (await answered(pieces()))[b"connection"] == b"close"
    assert len(read) == drain.MOST // PIECE


async def test_nobody_waits_for_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who falls silent is answered all the same."""
    monkeypatch.setattr(drain, "SECONDS", 0.0)

    async def pieces() -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""

    assert (await answered(pieces()))[b"connection"] == b"close"


@pytest.mark.parametrize(("status", "headers"), [(200, ()), (401, ((b"expect", b"100-continue"),))])
async def test_what_need_not_be_sent_is_not_asked_for(
    status: int, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    """Who is served without his body, or waits to be asked for it, is answered at once."""
    asked: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        asked.append(1)
        yield b"x"

    assert (await answered(pieces(), status, *headers))[b"connection"] == b"close"
    assert asked == []
