"""Any sequence of pieces, faults and crashes ends verified, or can be begun again (I13).

Hypothesis drives the real application over ASGI: pieces that are partial, repeated, overlapping,
damaged, broken off or sent by two at once; a disk that is full or broken; a store that ends between
the file's place and the commit. What was verified stays, and what was not can always be finished.
"""

import errno
import hashlib
import os
import resource
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from litestar import Litestar

from backend.app import create_app
from backend.blobs import Blobs, folder, open_blobs, read_bytes, staging
from backend.settings import S3Settings, Settings
from backend.store.database import Database
from tests.driver_api.pictures import STROKES, a_picture
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import a_phone, settings_for

PATH = "/driver/v1/evidence"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
FILES = (
    (a_picture("JPEG"), "photo", "image/jpeg"),
    (a_picture("PNG"), "photo", "image/png"),
    (STROKES, "signature", "application/json"),
)
Headers = dict[str, str]
Call = tuple[str, str, tuple[bytes, ...], Headers]
PATCH = {"content_type": "application/offset+octet-stream"}
which = st.sampled_from(range(len(FILES)))
share = st.floats(0, 1)


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: Headers = field(default_factory=dict)

    @property
    def offset(self) -> int:
        """Where the upload stands."""
        return int(self.headers["upload-offset"])


@dataclass
class House:
    """The application and the loop it runs in."""

    portal: BlockingPortal
    app: Litestar
    db: Database
    settings: Settings
    blobs: Blobs

    def phone(self) -> str:
        """Enrol a phone of a new driver; its token."""
        return self.portal.call(a_phone, self.db, self.settings).headers["Authorization"]

    def call(
        self, token: str, method: str, path: str, pieces: tuple[bytes, ...] = (), **more: str
    ) -> Answer:
        """Make one request."""
        return self.portal.call(self._call, token, method, path, pieces, more)

    def at_once(self, token: str, path: str, calls: tuple[Call, ...]) -> list[Answer]:
        """Make several requests of one upload at once, their pieces coming in by turns."""
        answers = [Answer() for _ in calls]

        async def one(number: int, call: Call) -> None:
            method, below, pieces, more = call
            answers[number] = await self._call(token, method, path + below, pieces, more)

        async def work() -> None:
            async with anyio.create_task_group() as group:
                for number, call in enumerate(calls):
                    group.start_soon(one, number, call)

        self.portal.call(work)
        return answers

    async def _call(
        self, token: str, method: str, path: str, pieces: tuple[bytes, ...], more: Headers
    ) -> Answer:
        """Speak ASGI; an empty piece stands for a caller who hangs up."""
        named = {"authorization": token, **{k.replace("_", "-"): v for k, v in more.items()}}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "path": f"{PATH}{path}", "raw_path": f"{PATH}{path}".encode(), "query_string": b"",
            "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("s", 80),
            "headers": [(k.encode(), v.encode()) for k, v in named.items()], "extensions": {},
        }  # fmt: skip
        waiting, answer = list(pieces), Answer()

        async def receive() -> dict[str, object]:
            await anyio.lowlevel.checkpoint()
            piece = waiting.pop(0) if waiting else b""
            if not piece and pieces and not pieces[-1]:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                answer.status = int(str(message["status"]))
                told: list[tuple[bytes, bytes]] = message["headers"]  # type: ignore[assignment]
                answer.headers = {k.decode().lower(): v.decode() for k, v in told}

        await self.app(scope, receive, send)  # type: ignore[arg-type]  # plain words for the same
        return answer


class Uploading(RuleBasedStateMachine):
    """One phone and its files."""

    house: House

    def __init__(self) -> None:
        super().__init__()
        self.token = self.house.phone()
        self.done: set[int] = set()

    def _announcing(self, number: int) -> Headers:
        content, kind, media_type = FILES[number]
        said = {"sha256": _sha(content), "kind": kind, "media_type": media_type}
        pairs = ",".join(f"{k} {b64encode(v.encode()).decode()}" for k, v in said.items())
        return {"upload_length": str(len(content)), "upload_metadata": pairs}

    def _look(self, number: int) -> Answer:
        return self.house.call(self.token, "HEAD", f"/{_sha(FILES[number][0])}")

    def _patch(self, number: int, offset: int, *pieces: bytes, **more: str) -> Answer:
        said = {"upload_offset": str(offset), **PATCH, **more}
        return self.house.call(self.token, "PATCH", f"/{_sha(FILES[number][0])}", pieces, **said)

    def _stands(self, number: int) -> int:
        seen = self._look(number)
        if seen.status == 404:
            seen = self.house.call(self.token, "POST", "", (), **self._announcing(number))
        return seen.offset if seen.status in {200, 201} else 0

    @rule(number=which)
    def announce(self, number: int) -> None:
        """Announce, perhaps again: harmless."""
        seen = self.house.call(self.token, "POST", "", (), **self._announcing(number))
        assert seen.status == 201

    @rule(number=which, much=share)
    def announce_with_bytes(self, number: int, much: float) -> None:
        """Announce with the first bytes."""
        content = FILES[number][0]
        piece = content[: int(len(content) * much)]
        said = {**self._announcing(number), **PATCH}
        seen = self.house.call(self.token, "POST", "", (piece,), **said)
        assert seen.status == 201

    @rule(number=which, begin=share, much=share)
    def patch_anywhere(self, number: int, begin: float, much: float) -> None:
        """Send some of it from somewhere: taken where it stands, else told where it stands."""
        content = FILES[number][0]
        stands, offset = self._stands(number), int(len(content) * begin)
        seen = self._patch(number, offset, content[offset : offset + int(len(content) * much)])
        assert seen.status == (204 if offset == stands else 409)
        assert seen.offset >= stands

    @rule(number=which, much=share, twice=st.booleans())
    def patch(self, number: int, much: float, twice: bool) -> None:  # noqa: FBT001 - drawn
        """Send the next piece; the same again is refused and told where it stands."""
        content, stands = FILES[number][0], self._stands(number)
        piece = content[stands : stands + max(1, int(len(content) * much))]
        seen = self._patch(number, stands, piece)
        assert (seen.status, seen.offset) == (204, stands + len(piece))
        if twice and piece:
            again = self._patch(number, stands, piece)
            assert (again.status, again.offset) == (409, stands + len(piece))

    @rule(number=which, much=share, broken=share)
    def hang_up(self, number: int, much: float, broken: float) -> None:
        """Promise a piece and hang up in the middle of it: what came stays."""
        content, stands = FILES[number][0], self._stands(number)
        piece = content[stands : stands + int(len(content) * much)]
        self._patch(number, stands, piece[: int(len(piece) * broken)], b"")
        assert self._stands(number) >= stands

    @rule(number=which, much=share)
    def damage(self, number: int, much: float) -> None:
        """Send other bytes, with the checksum of the right ones: taken back."""
        content, stands = FILES[number][0], self._stands(number)
        piece = content[stands : stands + max(1, int(len(content) * much))]
        if not piece:
            return
        digest = b64encode(hashlib.sha1(piece, usedforsecurity=False).digest()).decode()
        wrong = bytes([piece[0] ^ 1]) + piece[1:]
        seen = self._patch(number, stands, wrong, upload_checksum=f"sha1 {digest}")
        assert (seen.status, self._stands(number)) == (460, stands)

    @rule(number=which)
    def damage_unseen(self, number: int) -> None:
        """Other bytes up to the end, and no checksum: the hash of the whole sends it back to 0."""
        content, stands = FILES[number][0], self._stands(number)
        if stands < len(content):
            wrong = bytes([content[stands] ^ 1]) + content[stands + 1 :]
            assert self._patch(number, stands, wrong).status == 460
            assert self._stands(number) == 0

    @rule(number=which, begins=st.tuples(share, share))
    def two_at_once(self, number: int, begins: tuple[float, float]) -> None:
        """Two write at the same offset, piece by piece: bytes of one of them count."""
        content, stands = FILES[number][0], self._stands(number)
        rest = content[stands:]
        calls = tuple(_patching(stands, rest, part) for part in begins)
        self.house.at_once(self.token, f"/{_sha(content)}", calls)
        assert 0 <= self._stands(number) <= len(content)

    @rule(number=which, much=share, part=share, elsewhere=share)
    def disturbed(self, number: int, much: float, part: float, elsewhere: float) -> None:
        """While one writes, others ask and one means another offset: it arrives all the same."""
        content, stands = FILES[number][0], self._stands(number)
        piece = content[stands : stands + max(1, int(len(content) * much))]
        # Where the file never stands while the piece comes in.
        wrong = int(stands * elsewhere) if elsewhere < 0.5 else len(content) + 1
        if stands == len(content) or wrong == stands:
            return
        questions: tuple[Call, ...] = (("HEAD", "", (), {}), ("GET", "/status", (), {}))
        calls = (
            _patching(stands, piece, part),
            *questions,
            _patching(wrong, b"x", 0),
            *questions,
        )
        arrived, *others = self.house.at_once(self.token, f"/{_sha(content)}", calls)
        assert (arrived.status, arrived.offset) == (204, stands + len(piece))
        assert [other.status for other in others] == [200, 200, 409, 200, 200]

    @rule(number=which, full=st.booleans())
    def broken_disk(self, number: int, full: bool) -> None:  # noqa: FBT001 - drawn
        """The staging disk is full, or fails: 503 and a true offset."""
        content, stands = FILES[number][0], self._stands(number)
        if stands >= len(content):
            return
        with _full(stands + 1) if full else _failing(staging, "write"):
            seen = self._patch(number, stands, content[stands:])
        assert seen.status == (503 if full is False or len(content) > stands + 1 else 204)
        assert self._stands(number) in {stands, len(content)}

    @rule(number=which)
    def end_before_the_commit(self, number: int) -> None:
        """The file has its place and nothing was committed: the next question completes it."""
        content, stands = FILES[number][0], self._stands(number)
        if stands < len(content) and self.house.settings.s3 is None:
            with _failing(folder, "link", after=True):
                self._patch(number, stands, content[stands:])
        assert self._stands(number) in {stands, len(content)}

    @rule(number=which)
    def withdraw(self, number: int) -> None:
        """Forget it, unless it is verified."""
        seen = self.house.call(self.token, "DELETE", f"/{_sha(FILES[number][0])}")
        assert seen.status == 409 if number in self.done else seen.status in {204, 404, 409}

    @invariant()
    def verified_stays(self) -> None:
        """What stands at its end is verified, kept under its hash, and stays so."""
        for number, (content, *_) in enumerate(FILES):
            seen = self._look(number)
            assert seen.status in {200, 404}
            whole = seen.status == 200 and seen.offset == len(content)
            if whole and number not in self.done:
                kept = self.house.portal.call(read_bytes, self.house.blobs, _sha(content))
                assert kept == content
                self.done.add(number)
            assert whole == (number in self.done)

    def teardown(self) -> None:
        """From wherever it stands, sending what is missing brings it home."""
        for number, (content, *_) in enumerate(FILES):
            for _ in range(2):  # bytes that were damaged unseen cost one more turn
                if (stands := self._stands(number)) < len(content):
                    self._patch(number, stands, content[stands:])
            assert self._stands(number) == len(content)


def _patching(offset: int, content: bytes, part: float) -> Call:
    """A PATCH whose body comes in two pieces."""
    cut = int(len(content) * part)
    more = {"upload_offset": str(offset), **PATCH}
    return "PATCH", "", (content[:cut], content[cut:]), more


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _full(most: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _failing(module: object, name: str, *, after: bool = False) -> Iterator[None]:
    """One system call of a module fails with EIO, before or after its work."""

    class Calls:
        def __getattr__(self, asked: str) -> object:
            found = getattr(os, asked)
            if asked != name:
                return found

            def call(*given: object) -> object:
                if after:
                    found(*given)
                raise OSError(errno.EIO, "the disk is broken")

            return call

    vars(module)["os"] = Calls()
    try:
        yield
    finally:
        vars(module)["os"] = os


@pytest.fixture(params=["folder", "s3"])
def house(request: pytest.FixtureRequest, fresh_pg_url: str, tmp_path: Path) -> Iterator[House]:
    """The application over a store of each kind, in a loop of its own."""
    settled = settings_for(fresh_pg_url, tmp_path)
    if request.param == "s3":
        s3: S3Settings = request.getfixturevalue("s3")
        settled = replace(settled, s3=replace(s3, bucket=f"m-{uuid4().hex}"))
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        app = create_app(settled, clock=FakeClock(NOW))
        stack.enter_context(portal.wrap_async_context_manager(app.lifespan()))
        db = Database(fresh_pg_url, clock=FakeClock(NOW))
        stack.callback(portal.call, db.close)
        yield House(portal, app, db, settled, open_blobs(settled))


@pytest.mark.parametrize("examples", [6, pytest.param(200, marks=pytest.mark.soak)])
def test_any_sequence_ends_verified(house: House, examples: int) -> None:
    """Whatever happened to the pieces, the files arrive whole, once, and stay."""

    class Here(Uploading):
        pass

    Here.house = house
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples if house.settings.s3 is None else examples // 2,
            stateful_step_count=15,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
