"""Several requests of one upload at once: questions disturb nobody, a misplaced piece neither.

The inspector here does its work when a test lets it, and a slow phone sends the rest of its body
when a test lets it: what happens between is up to the test, not to the clock.
"""

from asyncio import Task, create_task
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import pytest

from backend.app import create_app
from backend.blobs import FolderBlobs, read_bytes
from backend.settings import Settings
from backend.store.database import Database
from pod.evidence import PhotoFacts, SignatureFacts
from pod.inspector import Inspector
from tests.driver_api.pictures import a_picture
from tests.driver_api.tus_line import PATCH, PATH, Line, sha_of
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_phone, settings_for

pytestmark = pytest.mark.anyio

PATIENCE_S = 30


class PatientInspector(Inspector):
    """Looks at a file once it is let; ``asked`` counts those who wait or waited."""

    def __init__(self) -> None:
        super().__init__(workers=1)
        self.asked = anyio.Semaphore(0)
        self.let = anyio.Event()

    async def inspect(
        self, kind: str, media_type: str, source: bytes | Path
    ) -> PhotoFacts | SignatureFacts:
        """Wait to be let, then look."""
        self.asked.release()
        await self.let.wait()
        return await super().inspect(kind, media_type, source)


@dataclass
class SlowBody:
    """A body of two pieces; ``arrived`` once the first is on the disk, the rest follows ``go``."""

    first: bytes
    rest: bytes
    arrived: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces; the server asks for the second when it is done with the first."""
        yield self.first
        self.arrived.set()
        await self.go.wait()
        yield self.rest


@dataclass
class Door:
    """A phone's line, and the inspector behind it."""

    line: Line
    inspector: PatientInspector
    settings: Settings

    def sending(self, sha: str, offset: int, content: bytes) -> Task[httpx.Response]:
        """Send bytes, and do not wait for the answer."""
        return create_task(self.line.send(sha, offset, content))

    def sending_slowly(self, sha: str, offset: int, body: SlowBody) -> Task[httpx.Response]:
        """Begin to send a body whose second piece waits."""
        sent = self.line.phone.headers | PATCH | {"Upload-Offset": str(offset)}
        return create_task(
            self.line.client.patch(f"{PATH}/{sha}", content=aiter(body), headers=sent)
        )

    def asking(self, sha: str) -> Task[httpx.Response]:
        """Ask for the offset, and do not wait for the answer."""
        return create_task(self.line.call("HEAD", f"/{sha}"))

    async def offset(self, sha: str) -> int:
        """Ask for the offset."""
        answer = await self.asking(sha)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    async def left_whole(self, content: bytes) -> str:
        """Announce, and leave all bytes there as a server does that was killed before the end."""
        sha = sha_of(content)
        await self.line.create(content)
        await self.line.send(sha, 0, content[:-1])
        staged = self.settings.data / "staging" / str(self.line.phone.id) / f"{sha}.part"
        staged.write_bytes(content)
        return sha


@asynccontextmanager
async def opening(settings: Settings, db: Database) -> AsyncIterator[Door]:
    """Serve the application in this loop, with an inspector that waits."""
    app = create_app(settings, clock=FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC)))
    ground, inspector = app.state["ground"], PatientInspector()
    ground.inspector.close()
    ground.inspector = inspector
    through = httpx.ASGITransport(app)  # type: ignore[arg-type]  # the same by other names
    async with app.lifespan(), httpx.AsyncClient(transport=through, base_url="http://d") as client:
        yield Door(Line(client, await a_phone(db, settings)), inspector, settings)


@pytest.fixture
async def door(db: Database, pg_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    """A phone of a new driver, at an application of this test's own."""
    with anyio.fail_after(PATIENCE_S):
        async with opening(settings_for(pg_url, tmp_path), db) as door:
            yield door


def a_large_picture() -> bytes:
    """A picture of more bytes than are gathered before they are written."""
    content = a_picture("PNG", (400, 300))
    assert len(content) > 80_000
    return content


@pytest.mark.parametrize(("cut", "verdict"), [(0, 204), (400, 415)])
async def test_questions_do_not_disturb_a_completion(door: Door, cut: int, verdict: int) -> None:
    """While the last PATCH is judged, questions tell where it stands; it hears the verdict."""
    content = (whole := a_picture())[: len(whole) - cut]
    sha = sha_of(content)
    await door.line.create(content)
    patch = door.sending(sha, 0, content)
    await door.inspector.asked.acquire()
    for _ in range(2):
        assert await door.offset(sha) == len(content)
        waiting = {"state": "partial", "offset": len(content), "size": len(content)}
        assert await door.line.status(sha) == waiting
    assert (await door.line.create(content)).headers["upload-offset"] == str(len(content))
    door.inspector.let.set()
    answer = await patch
    assert answer.status_code == verdict, answer.text
    ends = ("verified", len(content)) if verdict == 204 else ("corrupt", 0)
    status = await door.line.status(sha)
    assert (status["state"], status["offset"]) == ends


async def test_a_question_about_a_wreck_is_answered(door: Door) -> None:
    """A file left whole that is none: HEAD says 0, status corrupt; who sends it again hears why."""
    door.inspector.let.set()
    content = a_picture()[:-400]
    sha = await door.left_whole(content)
    assert await door.offset(sha) == 0
    size = len(content)
    assert await door.line.status(sha) == {"state": "corrupt", "offset": 0, "size": size}
    again = await door.line.send(sha, 0, content)
    assert (again.status_code, again.json()["code"]) == (415, "photo_unreadable")


async def test_a_question_about_wrong_bytes_is_answered(door: Door) -> None:
    """Bytes left whole that hash to something else go back to 0; the question is answered."""
    content = a_picture()
    sha = await door.left_whole(content)
    staged = door.settings.data / "staging" / str(door.line.phone.id) / f"{sha}.part"
    staged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert (await door.line.status(sha))["state"] == "corrupt"
    assert await door.offset(sha) == 0


async def test_an_announcement_hears_the_verdict(door: Door) -> None:
    """Who announces again what was left whole is the uploader: the file's verdict is for him."""
    door.inspector.let.set()
    content = a_picture()[:-400]
    await door.left_whole(content)
    assert (await door.line.create(content)).status_code == 415


async def test_an_empty_patch_completes_what_was_left_whole(door: Door) -> None:
    """All bytes there, and the server was killed: PATCH of nothing at the end completes it."""
    door.inspector.let.set()
    content = a_picture()
    sha = await door.left_whole(content)
    assert (await door.line.send(sha, len(content), b"")).status_code == 204
    assert (await door.line.status(sha))["state"] == "verified"


@pytest.mark.parametrize(("cut", "verdict"), [(0, 204), (400, 415)])
async def test_a_piece_takes_over_from_a_question(door: Door, cut: int, verdict: int) -> None:
    """A question completes what was left; a PATCH that comes meanwhile hears the verdict."""
    content = (whole := a_picture())[: len(whole) - cut]
    sha = await door.left_whole(content)
    question = door.asking(sha)
    await door.inspector.asked.acquire()
    second = await door.asking(sha)
    assert (second.status_code, second.headers["upload-offset"]) == (200, str(len(content)))
    patch = door.sending(sha, len(content), b"")
    await door.inspector.asked.acquire()
    door.inspector.let.set()
    assert (await patch).status_code == verdict
    assert (await question).status_code == 200
    ends = ("verified", len(content)) if verdict == 204 else ("corrupt", 0)
    status = await door.line.status(sha)
    assert (status["state"], status["offset"]) == ends


@pytest.mark.parametrize("misplaced", [7, 0, 4_000_000])
async def test_a_misplaced_piece_does_not_disturb(door: Door, misplaced: int) -> None:
    """A PATCH at a wrong offset is refused; the slow one under way goes on to its end."""
    door.inspector.let.set()
    content = a_large_picture()
    sha = sha_of(content)
    await door.line.create(content)
    slow = SlowBody(content[:50_000], content[50_000:])
    patch = door.sending_slowly(sha, 0, slow)
    await slow.arrived.wait()
    wrong = await door.line.send(sha, misplaced, b"x")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "offset_mismatch")
    assert wrong.headers["upload-offset"] == "50000"
    slow.go.set()
    answer = await patch
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(content)))
    kept = await read_bytes(FolderBlobs(door.settings.data / "blobs"), sha)
    assert kept == content


async def test_a_piece_in_its_place_takes_over(door: Door) -> None:
    """A PATCH where the file stands goes on instead of one whose link is dead."""
    door.inspector.let.set()
    content = a_large_picture()
    sha = sha_of(content)
    await door.line.create(content)
    slow = SlowBody(content[:50_000], bytes(len(content) - 50_000))
    dead = door.sending_slowly(sha, 0, slow)
    await slow.arrived.wait()
    first = await door.line.send(sha, 50_000, content[50_000:60_000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "60000")
    slow.go.set()
    answer = await dead
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_taken_over")
    assert (await door.line.send(sha, 60_000, content[60_000:])).status_code == 204
    assert (await door.line.status(sha))["state"] == "verified"
