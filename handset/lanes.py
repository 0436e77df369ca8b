"""The side lanes: positions that may be lost, nudges that carry nothing, and `have`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from handset.session import PREFIX, Session
from handset.transport import Road, refusal
from handset.wire import Body

_HAVE = 200
_FIXES = 500


class _Have(msgspec.Struct):
    have: list[str]


class _Accepted(msgspec.Struct):
    accepted: int


class _Nudge(msgspec.Struct):
    v: int


class Lanes:
    """Everything that is not sync and not evidence."""

    def __init__(self, session: Session, road: Road) -> None:
        self._session = session
        self._road = road

    async def have(self, ids: Sequence[str]) -> set[str]:
        """Which of these mutations the server holds for this driver."""
        found: set[str] = set()
        for start in range(0, len(ids), _HAVE):
            asked = ",".join(ids[start : start + _HAVE])
            answer = await self._session.call("GET", "/have", params={"ids": asked})
            if answer.status_code != 200:
                raise refusal(answer)
            found.update(msgspec.json.decode(answer.content, type=_Have).have)
        return found

    async def report(self, fixes: Sequence[Body]) -> int:
        """Send positions; how many were taken."""
        taken = 0
        for start in range(0, len(fixes), _FIXES):
            content, headers = self._road.packed(
                msgspec.json.encode({"fixes": fixes[start : start + _FIXES]})
            )
            answer = await self._session.call(
                "POST", "/positions", content=content, headers=headers
            )
            if answer.status_code != 202:
                raise refusal(answer)
            taken += msgspec.json.decode(answer.content, type=_Accepted).accepted
        return taken

    async def nudges(self) -> AsyncIterator[int]:
        """Versions as the server hints at them; each one means: sync when convenient."""
        headers = {
            "authorization": f"Bearer {self._session.access}",
            "accept": "text/event-stream",
        }
        async with self._road.open(f"{PREFIX}/events", headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                raise refusal(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield msgspec.json.decode(line[5:].strip(), type=_Nudge).v
