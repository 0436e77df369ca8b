"""Malformed input never yields a 5xx: every route, as every caller, fed what strangers send."""

import gzip
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID
from zlib import crc32

import pytest
import zstandard
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import AsyncTestClient

from backend.domain.people import Role
from backend.settings import Settings
from backend.store.database import Database
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import a_person
from tests.fixtures.phones import a_phone, calling, settings_for

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]
Call = tuple[str, str]
Headers = dict[str, str]
T = TypeVar("T")

# Streams stay open by design, and the framework's own page for lost readers of the schema is HTML.
OTHERS = {"/driver/v1/events", "/console/v1/events", "/schema/{path:str}"}
PLACES = ["x", "\0", "%", "../..", "a" * 9000, "\ud800", "🚚", str(UUID(int=0)), "ab" * 32]
BODIES: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"12",
    b"{",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"[" * 5000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b'{"mutations": [' + b"[" * 2000,
    b'{"code": "\\ud800", "email": "\\udfff", "reason": "\\u0000"}',
    b'{"code": "\\u0000", "email": "\\u0000", "password": "\\u0000", "refresh_token": "\\u0000"}',
    b'{"n": ' + b"9" * 4000 + b', "lat": 1e400, "time_limit_s": -1}',
    b'{"mutations": {}, "cursor": 7, "pull": "no", "fixes": 1, "parcels": [[[]]]}',
    b"a,b\r\n\xff,\x00\r\n",
    b'[{"reference": "\\u0000"}, 7, null]',
    bytes(300_000),
]
KINDS = [
    {"Content-Type": "application/json"},
    {"Content-Type": "text/csv; charset=utf-7"},
    {"Content-Type": "\x80/\xff"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "multipart/form-data; boundary=\xe9"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "-0"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "zstd"},
    {"Content-Encoding": "br"},
    {"Content-Length": "nonsense"},
    {"Authorization": "Bearer \xff", "Cookie": "session=\xff; csrf"},
    {"Accept": "\xff", "Accept-Encoding": ";q=,,zstd;q=x", "Accept-Language": "*;q=\xff"},
    {"X-Request-Id": "\xff", "X-Forwarded-For": "\xff,,"},
    {"Tus-Resumable": "\xff", "Upload-Length": "1e3", "Upload-Metadata": "\xff \xff,"},
]
# Forty megabytes when they are unpacked.
SWOLLEN = {
    "gzip": gzip.compress(bytes(40_000_000), 1),
    "zstd": zstandard.compress(bytes(40_000_000)),
}
QUERIES = [
    "after=%00&state=%ff&date=0000-00-00&depot=%00&reference=%ed%a0%80&ids=%00,%ff&for=%00",
    "after=eyJ9&date=2026-13-45&state=&depot=a&depot=b&from=x&to=y&entity=%00&actor=%27",
    "date=9999-12-31&from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999999Z&limit=-1",
]


@pytest.fixture(scope="module")
def settings(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation for this module."""
    return settings_for(pg_url, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[Client]:
    """The application."""
    async with calling(settings, FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))) as client:
        yield client


@pytest.fixture
async def callers(client: Client, db: Database, settings: Settings) -> list[dict[str, str]]:
    """A driver and an admin, as headers: those who get past the doors."""
    phone = await a_phone(db, settings)
    admin = await a_person(db, client, Role.ADMIN)
    assert (await client.get("/driver/v1/have?ids=", headers=phone.headers)).status_code == 200
    assert (await client.get("/console/v1/me", headers=admin.headers)).status_code == 200
    return [phone.headers, admin.headers]


def calls(client: Client, place: str) -> list[Call]:
    """List every route and verb, with ``place`` where an id belongs."""
    filled = quote(place.encode("utf-8", "surrogatepass"), safe="")
    return [
        (method, re.sub(r"\{[^}]+\}", filled, route.path))
        for route in client.app.routes
        if isinstance(route, HTTPRoute) and route.path not in OTHERS
        for method in sorted(route.methods)
    ]


def fed(callers: list[dict[str, str]], path: str, things: list[T]) -> Iterator[tuple[Headers, T]]:
    """Pair callers with things: all for whoever gets past the door; who is turned away there, and
    is not read, brings one of them, each time another.
    """
    driver, admin = callers
    doors = {"/driver/": (driver, admin), "/console": (admin, driver)}
    insider, stranger = doors.get(path[:8], callers)
    yield from ((insider, thing) for thing in things)
    if path[:8] in doors:
        yield stranger, things[crc32(path.encode()) % len(things)]


def is_page(path: str) -> bool:
    """Pages tell people of a fault on a page."""
    return path.startswith("/t/") or (path.startswith("/console") and "/v1" not in path[:12])


async def ask(client: Client, call: Call, headers: dict[str, str], content: bytes = b"") -> None:
    """Send one request and hold the answer against the law."""
    method, path = call
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await client.request(method, path, content=content, headers=raw)
    told = f"{method} {path[:200]} {headers} {content[:60]!r}: {answer.status_code}"
    assert answer.status_code < 500, f"{told} {answer.text[:400]}"
    if answer.status_code >= 400 and method != "HEAD" and not is_page(path):
        assert answer.headers["content-type"] == "application/problem+json", told
        assert answer.json()["request_id"] == answer.headers["x-request-id"], told


async def test_hostile_bodies(client: Client, callers: list[dict[str, str]]) -> None:
    """Whatever the body holds, plain or compressed."""
    for call in calls(client, str(UUID(int=7))):
        if call[0] in ("GET", "HEAD", "OPTIONS"):
            continue
        for headers, body in fed(callers, call[1], BODIES):
            await ask(client, call, headers, body)
        for headers in callers:
            for coding, body in SWOLLEN.items():
                await ask(client, call, {**headers, "Content-Encoding": coding}, body)


async def test_hostile_headers(client: Client, callers: list[dict[str, str]]) -> None:
    """Whatever the headers say of the body and the caller."""
    body = b'--\xe9\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--\xe9--\r\n'
    for call in calls(client, str(UUID(int=7))):
        for headers, more in fed(callers, call[1], KINDS):
            await ask(client, call, {**headers, **more}, body)


@pytest.mark.parametrize("place", PLACES, ids=range(len(PLACES)))
async def test_hostile_places(client: Client, callers: list[dict[str, str]], place: str) -> None:
    """Whatever stands where an id belongs."""
    for call in calls(client, place):
        for headers in callers:
            await ask(client, call, headers)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_hostile_queries(client: Client, callers: list[dict[str, str]], query: str) -> None:
    """Whatever the query asks for."""
    for method, path in calls(client, str(UUID(int=7))):
        for headers in callers:
            await ask(client, (method, f"{path}?{query}"), headers, b"{}")
