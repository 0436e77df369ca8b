"""A running Doorstep: the API and the jobs as two processes, started and ended together."""

import asyncio
import contextlib
import errno
import http.client
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from backend.cli.family import Family, NotStarted, family
from backend.cli.lead import lead, look
from backend.settings import Settings

READY_SECONDS = 60.0
PORT_SECONDS = 12.0
_API = "API"


@dataclass(frozen=True, slots=True)
class System:
    """A running system: where it is, what it runs with, and how it ends."""

    url: str
    settings: Settings
    family: Family
    address: tuple[str, int]

    async def pull_the_plug(self) -> None:
        """Kill the API as a power cut would, and return when it serves again."""
        await self.family.kill(_API)
        await self.family.again(_API)
        await _ready(self.family, *self.address)


@contextlib.asynccontextmanager
async def run(
    settings: Settings, host: str, port: int, tell: Callable[[str], None]
) -> AsyncIterator[System]:
    """Run API and jobs for the length of the block.

    Args:
        settings: with a database that runs and is up to date.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        tell: called with what is going on.

    Raises:
        NotStarted: it runs already, the port is taken, or a child ended before it was ready.
    """
    async with contextlib.AsyncExitStack() as stack:
        leader = stack.enter_context(lead(settings.data))
        port = await _have_port(host, port, PORT_SECONDS if leader.inherits else 0.0)
        url = f"http://{_reachable(host)}:{port}"
        leader.sign(url)
        children = await stack.enter_async_context(family())
        tell("starting API and jobs")
        environ = _environ(settings, url)
        await children.add(_API, ["serve", "--host", host, "--port", str(port)], environ)
        await children.add("jobs", ["jobs"], environ)
        await _ready(children, _reachable(host), port)
        yield System(url, settings, children, (_reachable(host), port))


def foresee(settings: Settings, host: str, port: int) -> None:
    """Find out early, before a database is started, what `run` would refuse anyway.

    Raises:
        NotStarted: it runs already, or the port is taken and not by a killed run's remains.
    """
    if not look(settings.data):
        _bind(host, port)


async def _ready(children: Family, host: str, port: int) -> None:
    """Return when the API says that it can serve."""
    ended = asyncio.create_task(children.first_end())
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(_serves, host, port):
                if ended.done():
                    raise NotStarted(f"{ended.result()} ended while starting; see above")
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise NotStarted(f"the API was not ready within {READY_SECONDS:.0f} s") from None
    finally:
        ended.cancel()


def _serves(host: str, port: int) -> bool:
    line = http.client.HTTPConnection(host, port, timeout=5)
    try:
        line.request("GET", "/health/ready")
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


async def _have_port(host: str, port: int, patience: float) -> int:
    """Make sure that the port can be had; after a killed run, wait until its remains let go."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return _bind(host, port)
        except NotStarted:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(0.2)


def _bind(host: str, port: int) -> int:
    try:
        with socket.create_server((host, port), family=_family_of(host)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = "choose another with --port, or any free one with --port 0"
            raise NotStarted(f"port {port} on {host} is taken: {told}") from None
        raise NotStarted(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _reachable(host: str) -> str:
    """The address at which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _environ(settings: Settings, url: str) -> dict[str, str]:
    """What children need to have the same settings; our own address unless one was chosen."""
    return {
        "DOORSTEP_BASE_URL": url,
        **os.environ,
        "DOORSTEP_DATA": str(settings.data),
        "DOORSTEP_DATABASE_URL": settings.database_url or "",
    }
