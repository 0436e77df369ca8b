"""The plumbing, plugged into a small application and fed what strangers send."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import pytest
import zstandard
from litestar import Litestar, Request, get, post
from litestar.datastructures import State
from litestar.params import FromPath, Parameter
from litestar.response import ServerSentEvent
from litestar.testing import AsyncTestClient
from sqlalchemy import exc as sql

from backend.errors import DoorstepError, Unavailable
from backend.wire.body import read_body
from backend.wire.compress import Compress
from backend.wire.json import read_json
from backend.wire.problem import exception_handlers
from backend.wire.request_id import stamp

pytestmark = pytest.mark.anyio

AnyRequest = Request[object, object, State]


class Parcel(msgspec.Struct, forbid_unknown_fields=True):
    """A body to decode."""

    barcode: Annotated[str, msgspec.Meta(max_length=5)]
    kg: Annotated[float, msgspec.Meta(ge=0)] = 0


class Load(msgspec.Struct):
    """A body with depth."""

    parcels: list[Parcel]


@post("/loads", status_code=200)
async def take(request: AnyRequest) -> dict[str, int]:
    """Count the parcels of a JSON body."""
    return {"parcels": len((await read_json(request, Load, limit=4096)).parcels)}


@post("/raw", status_code=200)
async def raw(request: AnyRequest) -> dict[str, int]:
    """Measure a body."""
    return {"size": len(await read_body(request, limit=4096))}


@post("/form", status_code=200)
async def form(request: AnyRequest) -> dict[str, int]:
    """Read a form with the framework's own parser."""
    return {"fields": len(await request.form())}


@post("/native", status_code=200)
async def native(request: AnyRequest) -> dict[str, str]:
    """Read JSON with the framework's own parser."""
    return {"kind": type(await request.json()).__name__}


@get("/long")
async def long(limit: Annotated[int, Parameter(ge=1, le=9000)] = 3000) -> dict[str, str]:
    """Answer with as many bytes as asked for."""
    return {"text": "x" * limit}


@get("/nudges")
async def nudges() -> ServerSentEvent:
    """Answer with a stream."""

    async def events() -> AsyncIterator[str]:
        yield "a" * 2000
        yield "b"

    return ServerSentEvent(events())


FAULTS: dict[str, Exception] = {
    "bug": ZeroDivisionError("secret"),
    "lookup": LookupError("there is no secret"),
    "deep": RecursionError(),
    "refused": ConnectionRefusedError(),
    "pool": sql.TimeoutError(),
    "down": sql.OperationalError("select secret", {}, Exception()),
    "data": sql.DataError("select secret", {}, Exception()),
    "group": ExceptionGroup("g", [Unavailable("soon", retry_after_s=7)]),
    "surrogate": DoorstepError("\ud800"),
}


@get("/fault/{name:str}")
async def fault(name: FromPath[str]) -> None:
    """Fail as named."""
    raise FAULTS[name]


@pytest.fixture
async def client() -> AsyncIterator[AsyncTestClient[Litestar]]:
    """A small application with the plumbing of the real one."""
    app = Litestar(
        [take, raw, form, native, long, nudges, fault],
        exception_handlers=exception_handlers(),
        before_send=[stamp],
        middleware=[Compress()],
        openapi_config=None,
        debug=False,
    )
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        yield client


async def test_a_body_becomes_a_value(client: AsyncTestClient[Litestar]) -> None:
    """A right body is decoded whether or not it is compressed."""
    body = json.dumps({"parcels": [{"barcode": "A1"}]}).encode()
    for coding, sent in (
        ("identity", body),
        ("gzip", gzip.compress(body)),
        ("zstd", zstandard.compress(body)),
        ("gzip", gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("zstd", zstandard.compress(body[:9]) + zstandard.compress(body[9:])),
    ):
        answer = await client.post("/loads", content=sent, headers={"Content-Encoding": coding})
        assert (answer.status_code, answer.json()) == (200, {"parcels": 1})


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"parcels": [{"barcode": "A1"}, {}]}, "/parcels/1/barcode", "missing"),
        ({"parcels": [{"barcode": "A1", "kg": -1}]}, "/parcels/0/kg", "out_of_range"),
        ({"parcels": [{"barcode": "A1", "a/~": 1}]}, "/parcels/0/a~1~0", "unknown_member"),
        ({"parcels": [{"barcode": "123456"}]}, "/parcels/0/barcode", "wrong_length"),
        ({"parcels": [{"barcode": 7}]}, "/parcels/0/barcode", "wrong_type"),
        ({"parcels": [{"barcode": "a\0"}]}, "/parcels/0/barcode", "nul_character"),
        ([], "", "wrong_type"),
    ],
)
async def test_a_fault_is_pointed_at(
    client: AsyncTestClient[Litestar], body: object, pointer: str, code: str
) -> None:
    """Input faults name their place as a JSON pointer."""
    answer = await client.post("/loads", json=body)
    problem = answer.json()
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "input_invalid"
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [(pointer, code)]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} < problem.keys()


HOSTILE = [
    b"",
    b"{",
    b"\xff",
    b'{"parcels": "\xff"}',
    b'{"parcels": [{"barcode": "\\ud800"}]}',
    b'{"x":' + b"[" * 1900 + b"]" * 1900 + b"}",
    b'{"parcels": [{"barcode": "a", "kg": ' + b"9" * 400 + b"}]}",
    b'{"parcels": [{"barcode": "a", "kg": 1e999}]}',
    b'{"parcels": []} {}',
]


@pytest.mark.parametrize("body", HOSTILE)
async def test_hostile_json_is_refused(client: AsyncTestClient[Litestar], body: bytes) -> None:
    """Whatever the bytes, both our reader and the framework's answer below 500."""
    answer = await client.post("/loads", content=body)
    assert answer.status_code == 400
    assert (await client.post("/native", content=body)).status_code < 500


async def test_a_bomb_stays_small(client: AsyncTestClient[Litestar]) -> None:
    """Bodies that swell past the limit are refused, in one member, in many, and uncompressed."""
    zeros = bytes(50_000_000)
    for coding, sent in (
        ("gzip", gzip.compress(zeros)[:4000]),
        ("gzip", gzip.compress(bytes(900)) * 40),
        ("zstd", zstandard.compress(zeros)),
        ("identity", bytes(4097)),
    ):
        answer = await client.post("/raw", content=sent, headers={"Content-Encoding": coding})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_body_left_unread_ends_its_connection(client: AsyncTestClient[Litestar]) -> None:
    """Whoever sends too much learns that the connection is of no more use."""
    answer = await client.post("/raw", content=bytes(4097))
    assert answer.headers["Connection"] == "close"


async def test_a_body_at_the_limit_passes(client: AsyncTestClient[Litestar]) -> None:
    """The limit itself is allowed, in every encoding."""
    for coding, sent in (
        ("identity", bytes(4096)),
        ("gzip", gzip.compress(bytes(4096))),
        ("zstd", zstandard.compress(bytes(4096))),
    ):
        answer = await client.post("/raw", content=sent, headers={"Content-Encoding": coding})
        assert answer.json() == {"size": 4096}


@pytest.mark.parametrize(
    ("coding", "body", "status", "code"),
    [
        ("gzip", b"not gzip", 400, "body_corrupt"),
        ("gzip", gzip.compress(b"x" * 99, mtime=0)[:-9], 400, "body_corrupt"),
        ("gzip", gzip.compress(b"x", mtime=0) + b"tail", 400, "body_corrupt"),
        ("zstd", b"not zstd", 400, "body_corrupt"),
        ("zstd", zstandard.compress(b"xyz" * 99)[:-2], 400, "body_corrupt"),
        ("br", b"x", 415, "encoding_unsupported"),
        ("gzip, gzip", b"x", 415, "encoding_unsupported"),
    ],
)
async def test_a_damaged_encoding_is_refused(
    client: AsyncTestClient[Litestar], coding: str, body: bytes, status: int, code: str
) -> None:
    """Damaged, truncated or unknown encodings are the caller's fault."""
    answer = await client.post("/raw", content=body, headers={"Content-Encoding": coding})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "part",
    [
        b'Content-Disposition: form-data; name="\xff"\r\n\r\nx',
        b'Content-Disposition: form-data; name="a"\r\n\r\n\xff',
        b"Content-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=no\r\n\r\nx",
        b"no header at all",
    ],
)
async def test_hostile_multipart_is_refused(client: AsyncTestClient[Litestar], part: bytes) -> None:
    """Bytes that are no text in a multipart body answer 400."""
    answer = await client.post(
        "/form",
        content=b"--B\r\n" + part + b"\r\n--B--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=B"},
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("bug", 500, "internal"),
        ("lookup", 500, "internal"),
        ("deep", 400, "malformed"),
        ("refused", 503, "unavailable"),
        ("pool", 503, "unavailable"),
        ("down", 503, "unavailable"),
        ("data", 400, "malformed"),
        ("group", 503, "unavailable"),
        ("surrogate", 500, "internal"),
    ],
)
async def test_faults_become_problems(
    client: AsyncTestClient[Litestar], name: str, status: int, code: str
) -> None:
    """Every fault is a problem document that tells nothing of our insides."""
    answer = await client.get(f"/fault/{name}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_the_framework_speaks_the_same_language(client: AsyncTestClient[Litestar]) -> None:
    """Unknown paths, wrong verbs and bad parameters are problem documents too."""
    lost = await client.get("/nowhere")
    verb = await client.get("/loads")
    parameter = await client.get("/long?limit=0")
    assert [a.json()["code"] for a in (lost, verb, parameter)] == [
        "not_found",
        "method_not_allowed",
        "malformed",
    ]
    assert "POST" in verb.headers["allow"]
    assert parameter.json()["errors"][0]["pointer"] == "/limit"
    assert all(a.headers["x-request-id"] == a.json()["request_id"] for a in (lost, verb))


async def test_the_callers_id_is_kept(client: AsyncTestClient[Litestar]) -> None:
    """A UUID in X-Request-Id is echoed; anything else is replaced."""
    own = "0193d6a0-0000-7000-8000-000000000001"
    echoed = await client.get("/long", headers={"X-Request-Id": own})
    replaced = await client.get("/long", headers={"X-Request-Id": "evil"})
    assert echoed.headers["x-request-id"] == own
    assert replaced.headers["x-request-id"] != "evil"


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("zstd, gzip", "zstd"),
        ("gzip", "gzip"),
        ("gzip;q=1, zstd;q=0.5", "gzip"),
        ("*", "zstd"),
        ("gzip;q=0", None),
        ("br", None),
        ("", None),
    ],
)
async def test_long_answers_shrink(
    client: AsyncTestClient[Litestar], accept: str, coding: str | None
) -> None:
    """Where it is worth it the caller's preferred encoding is used, and caches are told."""
    async with client.stream("GET", "/long", headers={"Accept-Encoding": accept}) as answer:
        sent = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert len(sent) == int(answer.headers["content-length"])
    if coding == "zstd":
        sent = zstandard.decompress(sent)
    elif coding == "gzip":
        sent = gzip.decompress(sent)
    assert json.loads(sent) == {"text": "x" * 3000}


async def test_short_answers_and_streams_pass_untouched(client: AsyncTestClient[Litestar]) -> None:
    """Nothing is gained on a short answer, and a stream may not be held back."""
    short = await client.get("/long?limit=9", headers={"Accept-Encoding": "gzip"})
    stream = await client.get("/nudges", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers
    assert "content-encoding" not in stream.headers
    assert "b" in stream.text
