"""A server with many event streams open ends as it should, and so do the streams."""

import asyncio
import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backend.store import feed
from backend.store.database import Database
from tests.fixtures.phones import Phone, a_driver, a_phone, settings_for
from tests.fixtures.processes import alive_with, command, environment, until

pytestmark = pytest.mark.anyio

STREAMS = 50
ENDS_WITHIN = 30
GONE_WITHIN = 10


class Crowd:
    """Phones that listen for nudges at once, and what they heard."""

    def __init__(self, url: str, phones: list[Phone]) -> None:
        self._url, self._phones = url, phones
        self.heard: dict[int, list[str]] = {number: [] for number in range(len(phones))}
        self.stirred = asyncio.Event()

    async def listen(self) -> None:
        """Listen until every stream has ended in order."""
        limits = httpx.Limits(max_connections=len(self._phones))
        async with httpx.AsyncClient(limits=limits, timeout=None) as client:  # noqa: S113
            await asyncio.gather(*(self._one(client, number) for number in self.heard))

    async def _one(self, client: httpx.AsyncClient, number: int) -> None:
        headers = self._phones[number].headers
        async with client.stream("GET", f"{self._url}/events", headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    self.heard[number].append(line.removeprefix("data: "))
                    self.stirred.set()

    async def all_heard(self, nudge: str) -> None:
        """Wait until the last thing that everybody heard is this."""
        async with asyncio.timeout(20):
            while any(heard[-1:] != [nudge] for heard in self.heard.values()):
                self.stirred.clear()
                await self.stirred.wait()


@dataclass(frozen=True, slots=True)
class Up:
    """A running `doorstep up`, and where it listens."""

    leader: "subprocess.Popen[str]"
    url: str


@contextlib.contextmanager
def up(database: str, data: Path) -> Iterator[Up]:
    """Run `doorstep up` on a database; nothing of it may be left afterwards."""
    environ = environment({"DOORSTEP_DATABASE_URL": database})
    words = command("up", "--port", "0", "--data", str(data), "--json")
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as leader:
        try:
            assert leader.stdout is not None
            yield Up(leader, json.loads(leader.stdout.readline())["url"])
        finally:
            leader.kill()
            leader.wait()
            assert until(lambda: not alive_with(str(data)), GONE_WITHIN)


async def test_fifty_streams_do_not_hold_up_the_end(
    fresh_pg_url: str, tmp_path: Path, fresh_db: Database
) -> None:
    """Everybody hears of a change; on SIGTERM each stream ends whole and the server with 0."""
    settings = settings_for(fresh_pg_url, tmp_path)
    driver = await a_driver(fresh_db)
    phones = [await a_phone(fresh_db, settings, driver) for _ in range(STREAMS)]
    with up(fresh_pg_url, tmp_path) as running:
        crowd = Crowd(f"{running.url}/driver/v1", phones)
        listening = asyncio.create_task(crowd.listen())
        await crowd.all_heard('{"v": 1}')
        async with fresh_db.begin() as tx:
            feed.touch(tx, feed.driver_scope(driver), "settings", "settings")
        await crowd.all_heard('{"v": 2}')
        running.leader.send_signal(signal.SIGTERM)
        await listening
        assert await asyncio.to_thread(running.leader.wait, ENDS_WITHIN) == 0
