"""Uploads over the real server: links that break or hang, a server that is killed mid-way."""

import asyncio
import hashlib
import http.client
import io
import os
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from PIL import Image

from backend.clock import SystemClock
from backend.settings import Settings
from backend.store.database import Database
from tests.fixtures.phones import a_phone, settings_for
from tests.fixtures.servers import Server, start

PATIENCE_S = 20


def picture() -> bytes:
    """Draw some 280 kB that no test drew before."""
    out = io.BytesIO()
    Image.frombytes("RGB", (600, 400), os.urandom(720_000)).save(out, "JPEG", quality=95)
    return out.getvalue()


@dataclass
class Upload:
    """One file on its way over real sockets."""

    server: Server
    token: str
    content: bytes

    @property
    def sha(self) -> str:
        """The address."""
        return hashlib.sha256(self.content).hexdigest()

    def call(
        self, method: str, path: str = "", body: bytes | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """Make one whole request."""
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(
            method, f"/driver/v1/evidence{path}", body, {"Authorization": self.token, **named}
        )
        answer = line.getresponse()
        answer.read()
        line.close()
        return answer

    def announce(self) -> None:
        """Create the upload."""
        said = {"sha256": self.sha, "kind": "photo", "media_type": "image/jpeg"}
        pairs = [f"{name} {b64encode(value.encode()).decode()}" for name, value in said.items()]
        length = str(len(self.content))
        created = self.call("POST", Upload_Length=length, Upload_Metadata=",".join(pairs))
        assert created.status == 201

    def begin(self, offset: int, until: int) -> socket.socket:
        """Promise all that is left, and send only up to ``until``."""
        link = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_S)
        head = (
            f"PATCH /driver/v1/evidence/{self.sha} HTTP/1.1\r\nHost: doorstep\r\n"
            f"Authorization: {self.token}\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Upload-Offset: {offset}\r\nContent-Length: {len(self.content) - offset}\r\n\r\n"
        )
        link.sendall(head.encode() + self.content[offset:until])
        return link

    def offset(self) -> int:
        """Ask where it stands."""
        return int(self.call("HEAD", f"/{self.sha}").headers["Upload-Offset"])

    def await_offset(self, least: int) -> int:
        """Ask until it stands at ``least`` or beyond."""
        deadline = time.monotonic() + PATIENCE_S
        while (stands := self.offset()) < least:
            assert time.monotonic() < deadline, f"it still stands at {stands}"
        return stands

    def finish(self) -> None:
        """Send the rest from where it stands, and see it verified."""
        offset = self.offset()
        answer = self.call(
            "PATCH",
            f"/{self.sha}",
            self.content[offset:],
            Content_Type="application/offset+octet-stream",
            Upload_Offset=str(offset),
        )
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(self.content)))


@dataclass
class House:
    """An installation whose server is started whenever it is not running."""

    settings: Settings
    running: Server | None = None

    @property
    def server(self) -> Server:
        """The running server."""
        if self.running is None or self.running.process.poll() is not None:
            self.running = start(self.settings)
        return self.running


@pytest.fixture(scope="module")
def house(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One installation for this module."""
    house = House(settings_for(pg_url, tmp_path_factory.mktemp("house")))
    yield house
    if house.running is not None:
        house.running.kill()


@pytest.fixture
def token(house: House) -> str:
    """A phone's bearer token, by the real clock."""

    async def work() -> str:
        db = Database(str(house.settings.database_url), clock=SystemClock())
        phone = await a_phone(db, house.settings)
        await db.close()
        return phone.headers["Authorization"]

    return asyncio.run(work())


def test_broken_and_hanging_links(house: House, token: str) -> None:
    """What arrived before a link broke stays; a newer request takes over from one that hangs."""
    upload = Upload(house.server, token, picture())
    upload.announce()
    upload.begin(0, 100_000).close()
    upload.await_offset(100_000)
    with upload.begin(100_000, 200_000) as hanging:
        upload.await_offset(150_000)
        upload.finish()
        hanging.sendall(bytes(40_000))
        assert hanging.recv(100).startswith(b"HTTP/1.1 409")
    assert upload.offset() == len(upload.content)


def test_a_killed_server_leaves_a_true_offset(house: House, token: str) -> None:
    """After kill -9 in the middle of a PATCH the upload goes on where its bytes end."""
    upload = Upload(house.server, token, picture())
    upload.announce()
    with upload.begin(0, 200_000):
        stood = upload.await_offset(100_000)
        house.server.kill()
    upload.server = house.server
    assert upload.offset() >= stood
    upload.finish()


def test_open_streams_do_not_hold_up_the_end(house: House, token: str) -> None:
    """A server with a listening phone ends on SIGTERM all the same."""
    address = ("127.0.0.1", house.server.port)
    with socket.create_connection(address, PATIENCE_S) as link:
        head = f"GET /driver/v1/events HTTP/1.1\r\nHost: d\r\nAuthorization: {token}\r\n\r\n"
        link.sendall(head.encode())
        assert link.recv(4000).startswith(b"HTTP/1.1 200")
        assert house.server.stop() == 0
