"""The people behind the doors, who know what their tracking page shows them and nothing else."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec


@dataclass(frozen=True, slots=True)
class Door:
    """What a customer can show at the door."""

    code: str
    qr: str


class _Page(msgspec.Struct):
    state: str
    code: str | None = None
    door: str | None = None


class Customer:
    """Opens tracking links, by their path: the host in a link is the installation's public one."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=60)

    async def door(self, tracking_url: str) -> Door | None:
        """The code and QR on the page, once it shows them."""
        answer = await self._client.get(
            urlsplit(tracking_url).path, headers={"accept": "application/json"}
        )
        answer.raise_for_status()
        page = msgspec.json.decode(answer.content, type=_Page)
        return Door(page.code, page.door) if page.code and page.door else None

    async def close(self) -> None:
        await self._client.aclose()
