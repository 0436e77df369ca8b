"""The road to the server: patient with bad radio and with a server that asks to wait.

Every call the phone makes may be repeated safely, so a lost reply is simply asked for again; only
enrolment is not, because its code works once.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal

import anyio
import httpx
import msgspec
import zstandard

from handset.disk import Pulse, alive
from handset.faults import Refused, Unreachable
from handset.wire import ProblemBody

Encoding = Literal["zstd", "gzip", "identity"]
Headers = Mapping[str, str]
# A body that is made anew for each attempt, with its headers: what it says of now must be true.
Fresh = Callable[[], tuple[bytes, Headers]]
Sleep = Callable[[float], Awaitable[None]]

_WORTH_COMPRESSING = 1024
_TRY_AGAIN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try; waits double from `first_wait_s`, with jitter."""

    attempts: int = 4
    timeout_s: float = 30.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    sleep: Sleep = anyio.sleep
    dice: random.Random = field(default_factory=random.Random)

    def wait_s(self, attempt: int, retry_after: str | None) -> float:
        if retry_after is not None and retry_after.isdigit():
            return min(float(retry_after), self.longest_wait_s)
        longest = min(self.first_wait_s * 2.0**attempt, self.longest_wait_s)
        return self.dice.uniform(longest / 2, longest)


class Road:
    """HTTP with retries; the transport can be swapped for one that loses things on purpose."""

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience | None = None,
        encoding: Encoding = "zstd",
        pulse: Pulse = alive,
    ) -> None:
        self._pulse = pulse
        self.patience = patience or Patience()
        self._encoding = encoding
        self._client = httpx.AsyncClient(
            base_url=base_url, transport=transport, timeout=self.patience.timeout_s
        )

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Fresh | None = None,
        params: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> httpx.Response:
        """The server's answer, whatever its status; Unreachable when there is none to be had."""
        attempts = 1 if once else self.patience.attempts
        trouble = "no attempt allowed"
        for attempt in range(attempts):
            retry_after = None
            self._pulse()
            body, about = content() if callable(content) else (content, {})
            told = {**(headers or {}), **about}
            try:
                answer = await self._client.request(
                    method, path, headers=told, content=body, params=params
                )
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                self._pulse()
                if answer.status_code not in _TRY_AGAIN:
                    return answer
                trouble = f"status {answer.status_code}"
                retry_after = answer.headers.get("retry-after")
            if attempt + 1 < attempts:
                await self.patience.sleep(self.patience.wait_s(attempt, retry_after))
        raise Unreachable(f"{method} {path}: {trouble}")

    def packed(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        """A JSON body, compressed where that pays, and the headers that say so."""
        headers = {"content-type": "application/json"}
        if len(body) < _WORTH_COMPRESSING or self._encoding == "identity":
            return body, headers
        headers["content-encoding"] = self._encoding
        if self._encoding == "gzip":
            return gzip.compress(body, 6), headers
        return zstandard.ZstdCompressor(level=3).compress(body), headers

    def open(
        self, path: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """A long-lived answer, such as the nudges; it ends when the network does."""
        return self._client.stream("GET", path, headers=headers, timeout=None)

    async def close(self) -> None:
        await self._client.aclose()


def refusal(answer: httpx.Response) -> Refused:
    """The problem in an answer of 4xx or 5xx."""
    try:
        problem = msgspec.json.decode(answer.content, type=ProblemBody)
    except msgspec.DecodeError:
        problem = ProblemBody(detail=answer.text[:200])
    return Refused(answer.status_code, problem.code, problem.detail or problem.title)
