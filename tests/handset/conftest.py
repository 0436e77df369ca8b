"""A phone against the real application, on a line that loses what a test tells it to lose."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from backend.app import create_app
from backend.identity.devices import issue_enrolment_code
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database
from handset import DeviceClock, Handset
from handset.transport import Patience
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_driver, settings_for


class Line(httpx.AsyncBaseTransport):
    """Reaches the application; `losses` says of the next requests what gets lost, if anything.

    `travel` is what happens while a request is on its way there.
    """

    def __init__(self, app: Litestar) -> None:
        self._through = httpx.ASGITransport(app)  # type: ignore[arg-type]
        self.losses: deque[str | None] = deque()
        self.requests: list[httpx.Request] = []
        self.travel: Callable[[], object] = lambda: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        loss = self.losses.popleft() if self.losses else None
        if loss == "request":
            raise httpx.ConnectError("the request was lost")
        self.travel()
        answer = await self._through.handle_async_request(request)
        if loss == "reply":
            await answer.aread()
            raise httpx.ReadTimeout("the reply was lost")
        return answer

    def paths(self) -> list[str]:
        """What was called, in order."""
        return [f"{request.method} {request.url.path}" for request in self.requests]


async def _no_waiting(_seconds: float) -> None:
    return None


@dataclass
class Bench:
    """The application, a line to it, and the means to hand out codes."""

    db: Database
    settings: Settings
    clock: FakeClock
    line: Line
    folder: Path

    async def code(self, driver_id: UUID | None = None) -> str:
        """A one-time code of a driver, a new one unless given."""
        keys = load_keys(self.settings.data, log_name=self.settings.log_name)
        driver = driver_id or await a_driver(self.db)
        async with self.db.begin() as tx:
            return (await issue_enrolment_code(tx, keys, driver))[0]

    async def code_for(self, phone: Handset) -> str:
        """A code of the driver who has this phone already."""
        return await self.code(UUID(phone.session.driver_id))

    def phone(
        self,
        name: str = "phone",
        *,
        attempts: int = 1,
        signed: bool = True,
        clock: DeviceClock | None = None,
        patience: Patience | None = None,
    ) -> Handset:
        """A phone in a folder; the same name is the same phone, switched on again."""
        return Handset(
            self.folder / name,
            "http://doorstep.test",
            clock=clock,
            transport=self.line,
            patience=patience or Patience(attempts=attempts, sleep=_no_waiting),
            signed=signed,
            synchronous="NORMAL",
        )

    async def enrolled(self) -> Handset:
        """A phone of a new driver."""
        phone = self.phone()
        await phone.enrol(await self.code())
        return phone


@dataclass
class Installation:
    """One application for a module's tests; every test brings its own driver."""

    app: Litestar
    db: Database
    settings: Settings
    clock: FakeClock


@pytest.fixture(scope="module")
async def installed(
    pg_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A fresh installation within this process."""
    clock = FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    settings = settings_for(pg_url, tmp_path_factory.mktemp("server"))
    app = create_app(settings, clock=clock)
    db = Database(pg_url, clock=clock)
    async with app.lifespan():
        yield Installation(app, db, settings, clock)
    await db.close()


@pytest.fixture
def bench(installed: Installation, tmp_path: Path) -> Bench:
    """A line and a folder for phones of one test."""
    line = Line(installed.app)
    return Bench(installed.db, installed.settings, installed.clock, line, tmp_path)
