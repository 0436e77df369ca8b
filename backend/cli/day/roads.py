"""A mobile network as drivers know it: requests that never arrive, replies that never come back.

The requests it lets through are real; what it does to the others is drawn from a seed.
"""

import random
import ssl
from collections import Counter
from dataclasses import dataclass
from functools import cache

import anyio
import httpx


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances between 0 and 1, each per request."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    longest_delay_s: float = 0.2


NO_FAULTS = Faults()


@cache
def _trust() -> ssl.SSLContext:
    """Whom to trust, read once: a fleet has hundreds of roads."""
    return httpx.create_ssl_context()


class BadRoad(httpx.AsyncBaseTransport):
    """Does to requests what radio does; enrolment is spared, since its code works once."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._dice = random.Random(seed)  # noqa: S311 - bad luck, not a secret
        self._through = httpx.AsyncHTTPTransport(verify=_trust())
        self.suffered: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/devices"):
            return await self._through.handle_async_request(request)
        await self._dawdle()
        if self._strikes("lost_request", self._faults.lost_request):
            raise httpx.ConnectTimeout("the request was lost", request=request)
        if self._strikes("duplicate", self._faults.duplicate):
            await self._swallow(request)
        if self._strikes("lost_reply", self._faults.lost_reply):
            await self._swallow(request)
            raise httpx.ReadTimeout("the reply was lost", request=request)
        return await self._through.handle_async_request(request)

    async def _dawdle(self) -> None:
        if self._strikes("delay", self._faults.delay):
            await anyio.sleep(self._dice.uniform(0, self._faults.longest_delay_s))

    async def _swallow(self, request: httpx.Request) -> None:
        """The server does its work and nobody hears of it."""
        answer = await self._through.handle_async_request(request)
        await answer.aread()
        await answer.aclose()

    def _strikes(self, what: str, chance: float) -> bool:
        hit = self._dice.random() < chance
        self.suffered[what] += hit
        return hit

    async def aclose(self) -> None:
        await self._through.aclose()
