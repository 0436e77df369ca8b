"""A phone that a test writes by hand, mutation by mutation."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.keys import Keys
from tests.fixtures.visits import Round

Json = dict[str, Any]


@dataclass
class Handset:
    """A hand-written phone: it numbers mutations and sends what a test tells it to."""

    client: AsyncTestClient[Litestar]
    token: str
    round: Round
    keys: Keys
    n: int = 0
    sent: list[Json] = field(default_factory=list)

    def mutation(
        self, kind: str, body: Json | None = None, segment: str = "economy", **more: object
    ) -> Json:
        """Number a mutation about the stop of a segment."""
        self.n += 1
        made = {
            "id": str(uuid4()),
            "n": self.n,
            "kind": kind,
            "kind_version": 1,
            "stop_id": str(self.round.stops[segment]),
            "base": 1,
            "policy_version": 1,
            "at": {"wall": "2026-11-23T07:59:00.000Z", "monotonic_ms": 1000, "boot": "b"},
            "body": body or {},
        }
        return {**made, **more}

    async def post(self, raw: bytes | Json) -> Response:
        """Call sync with bytes or an envelope."""
        content = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return await self.client.post("/driver/v1/sync", content=content, headers=headers)

    async def sync(self, *mutations: Json, cursor: str | None = None, pull: bool = False) -> Json:
        """Send mutations; return the reply."""
        envelope: Json = {
            "cursor": cursor,
            "pull": pull,
            "client": {},
            "mutations": list(mutations),
        }
        answer = await self.post(envelope)
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply


def delivered(**more: object) -> Json:
    """A body that hands goods over."""
    return {"method": "handed_over", "parcels": [], "recipient": {"name": "E. Poe"}, **more}
