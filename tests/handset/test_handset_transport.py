"""The road: lost replies are asked for again, and patience follows the server."""

import random
from collections.abc import Awaitable, Callable

import httpx
import pytest

from handset.faults import Unreachable
from handset.transport import Patience, Road, refusal

pytestmark = pytest.mark.anyio

Answers = list[httpx.Response | Exception]


class Radio(httpx.AsyncBaseTransport):
    """A radio link that answers, or breaks, in a given order."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _sleeper(waits: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return sleep


def _road(radio: Radio, waits: list[float] | None = None) -> Road:
    patience = Patience(attempts=3, sleep=_sleeper(waits or []), dice=random.Random(1))
    return Road("http://server.test", transport=radio, patience=patience)


async def test_a_lost_reply_is_asked_for_again() -> None:
    """The same request goes out until an answer comes."""
    radio = Radio([httpx.ReadTimeout("lost"), httpx.ConnectError("no net"), httpx.Response(200)])
    answer = await _road(radio).send("POST", "/driver/v1/sync", content=b"{}")
    assert answer.status_code == 200
    assert [request.content for request in radio.requests] == [b"{}"] * 3


async def test_the_server_says_how_long_to_wait() -> None:
    """503 with Retry-After is waited out for as long as it says."""
    waits: list[float] = []
    radio = Radio([httpx.Response(503, headers={"retry-after": "7"}), httpx.Response(200)])
    patience = Patience(attempts=2, sleep=_sleeper(waits), dice=random.Random(1))
    await Road("http://server.test", transport=radio, patience=patience).send("GET", "/")
    assert waits == [7.0]


async def test_patience_ends() -> None:
    """After the last attempt the phone says so, and everything is still on its disk."""
    radio = Radio([httpx.ConnectError("no net")] * 3)
    with pytest.raises(Unreachable, match="no net"):
        await _road(radio).send("GET", "/")
    assert len(radio.requests) == 3


async def test_a_code_that_works_once_is_sent_once() -> None:
    """Enrolment is never repeated by itself."""
    radio = Radio([httpx.ReadTimeout("lost"), httpx.Response(201)])
    with pytest.raises(Unreachable):
        await _road(radio).send("POST", "/driver/v1/devices", once=True)
    assert len(radio.requests) == 1


async def test_a_problem_is_read_whoever_wrote_it() -> None:
    """The code of an RFC 9457 body, or `unknown` where a proxy answered in HTML."""
    told = refusal(httpx.Response(403, json={"code": "device_revoked", "title": "Revoked"}))
    assert (told.status, told.code, told.detail) == (403, "device_revoked", "Revoked")
    assert refusal(httpx.Response(500, text="<html>")).code == "unknown"


async def test_only_large_bodies_are_compressed() -> None:
    """A short body goes as it is, a long one in the chosen encoding."""
    road = _road(Radio([]))
    assert "content-encoding" not in road.packed(b"{}")[1]
    packed, headers = road.packed(b"x" * 5000)
    assert headers["content-encoding"] == "zstd"
    assert len(packed) < 100
