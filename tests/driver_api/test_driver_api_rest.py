"""Positions, nudges, what survived, health and schema (contract §4)."""

from pathlib import Path
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.cli import schema
from backend.settings import Settings
from backend.store import migrated
from backend.store.database import Database
from backend.tables.mutations import Mutation
from backend.tables.positions import Position
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import Phone, a_phone, calling, settings_for

pytestmark = pytest.mark.anyio

TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
BAD_SUM = {**TUS, "Upload-Offset": "0", "Upload-Checksum": "x"}
GOOD = {"at": "2026-11-23T07:59:00.000Z", "lat": 39.29, "lon": -76.6, "accuracy_m": 8}


@pytest.fixture
async def phone(db: Database, settings: Settings) -> Phone:
    """A phone of a new driver."""
    return await a_phone(db, settings)


async def test_good_fixes_are_kept_and_bad_ones_dropped(
    client: AsyncTestClient[Litestar], phone: Phone, db: Database
) -> None:
    """One bad fix costs nobody else; the same batch again is harmless."""
    bad: list[object] = [
        {**GOOD, "lat": 91},
        {**GOOD, "at": "yesterday"},
        {**GOOD, "at": "2026-11-23T08:00:00"},
        {**GOOD, "at": "0001-01-01T00:00:00+14:00"},
        {"at": GOOD["at"]},
        {**GOOD, "mock": "no"},
        None,
        [[[]]],
    ]
    second = {**GOOD, "at": "2026-11-23T07:59:30+00:00", "speed": 3.5, "mock": True}
    for _ in range(2):
        answer = await client.post(
            "/driver/v1/positions", json={"fixes": [GOOD, *bad, second]}, headers=phone.headers
        )
        assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    async with db.snapshot() as tx:
        query = select(Position).where(col(Position.device_id) == phone.id)
        kept = list(await tx.scalars(query.order_by(col(Position.at))))
    assert [(fix.speed, fix.mock) for fix in kept] == [(None, False), (3.5, True)]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"fixes": {}}', b'{"fixes": ' + b"[" * 2000])
async def test_a_batch_that_is_none_is_refused(
    client: AsyncTestClient[Litestar], phone: Phone, body: bytes
) -> None:
    """The envelope must be readable; over 500 fixes are too many."""
    answer = await client.post("/driver/v1/positions", content=body, headers=phone.headers)
    assert answer.status_code == 400
    many = {"fixes": [GOOD] * 501}
    answer = await client.post("/driver/v1/positions", json=many, headers=phone.headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/fixes")


async def test_have_tells_what_this_driver_sent(
    client: AsyncTestClient[Litestar], phone: Phone, db: Database, settings: Settings
) -> None:
    """Own mutations are named as asked for; a stranger's and unknown ones are not."""
    stranger = await a_phone(db, settings)
    mine, his = uuid4(), uuid4()
    async with db.begin() as tx:
        for owner, id_ in ((phone, mine), (stranger, his)):
            tx.add(
                Mutation(
                    device_id=owner.id,
                    driver_id=owner.driver_id,
                    n=1,
                    numbered=True,
                    id=id_,
                    hash=b"h",
                    raw=b"{}",
                    outcome="applied",
                    receipt={},
                    received_at=tx.info["now"],
                )
            )
    asked = ["nonsense", str(his), str(uuid4()), str(mine).upper()]
    answer = await client.get(f"/driver/v1/have?ids={','.join(asked)}", headers=phone.headers)
    assert (answer.status_code, answer.json()) == (200, {"have": [str(mine).upper()]})
    other = await a_phone(db, settings, phone.driver_id)
    answer = await client.get(f"/driver/v1/have?ids={mine}", headers=other.headers)
    assert answer.json() == {"have": [str(mine)]}
    many = ",".join(["a"] * 201)
    answer = await client.get(f"/driver/v1/have?ids={many}", headers=phone.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "input_invalid")
    assert (await client.get("/driver/v1/have", headers=phone.headers)).status_code == 400


REFUSED: list[tuple[str, str, bytes, dict[str, str], str]] = [
    # method and path, body, headers, pointer
    ("POST", "sync", b'{"cursor":1}', {}, "/cursor"),
    ("POST", "sync", b'{"pull":null}', {}, "/pull"),
    ("POST", "sync", b'{"mutations":{}}', {}, "/mutations"),
    ("POST", "sync", b'{"mutations":[1,]}', {}, "/mutations"),
    ("POST", "sync", b"", {}, ""),
    ("POST", "sync", b"{}", {"Content-Encoding": "gzip"}, ""),
    ("GET", "have", b"", {}, "/ids"),
    ("GET", "have?ids=" + ",".join(["a"] * 201), b"", {}, "/ids"),
    ("POST", "positions", b"", {}, ""),
    ("POST", "positions", b"{", {}, ""),
    ("POST", "positions", b"\xff", {}, ""),
    ("POST", "positions", b"[" * 5000, {}, ""),
    ("POST", "positions", b"{}", {}, "/fixes"),
    ("POST", "positions", b'{"fixes":7}', {}, "/fixes"),
    ("POST", "positions", b"{}", {"Content-Encoding": "zstd"}, ""),
    ("POST", "devices", b"{}", {}, "/code"),
    ("POST", "devices", b'{"code":"a","device":{"platform":5}}', {}, "/device/platform"),
    ("POST", "devices", b'{"code":"\\ud800"}', {}, ""),
    ("POST", "tokens", b"[]", {}, ""),
    ("POST", "tokens", b'{"refresh_token":"a"}', {}, "/nonce"),
    ("POST", "evidence", b"", {}, "/upload_length"),
    ("POST", "evidence", b"", {"Upload-Length": "9"}, "/upload_metadata/sha256"),
    ("POST", "evidence", b"", {"Upload-Length": "9", "Upload-Metadata": "a !"}, "/upload_metadata"),
    ("PATCH", f"evidence/{'a' * 64}", b"x", TUS, "/upload_offset"),
    ("PATCH", f"evidence/{'a' * 64}", b"x", BAD_SUM, "/upload_checksum"),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "pointer"), REFUSED)
async def test_a_fault_of_input_is_pointed_at(
    client: AsyncTestClient[Litestar],
    phone: Phone,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    pointer: str,
) -> None:
    """Every 400 says where (contract: ``errors``); the root where no place can be told."""
    answer = await client.request(
        method, f"/driver/v1/{path}", content=body, headers={**phone.headers, **headers}
    )
    problem = answer.json()
    assert answer.status_code == 400, problem
    assert [fault["pointer"] for fault in problem["errors"]][:1] == [pointer], problem
    assert all(fault["code"] and fault["detail"] for fault in problem["errors"])


async def test_health_needs_no_token(client: AsyncTestClient[Litestar]) -> None:
    """Alive and ready, without telling more."""
    live, ready = await client.get("/health/live"), await client.get("/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_not_ready_without_the_right_database(
    empty_pg_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """No tables, or no database at all: 503 with Retry-After, while still alive."""
    gone = empty_pg_url.replace("postgresql+asyncpg://", "postgresql+asyncpg://nobody@")
    for url in (empty_pg_url, "postgresql+asyncpg://x@127.0.0.1:9/none", gone):
        async with calling(settings_for(url, tmp_path), clock) as client:
            answer = await client.get("/health/ready")
            assert answer.status_code == 503, url
            assert "retry-after" in answer.headers
            assert (await client.get("/health/live")).status_code == 200


def test_the_newest_migration_is_found_without_alembic() -> None:
    """Our own reading of the migrations agrees with Alembic's."""
    assert migrated.newest() == schema.newest()


async def test_the_schema_is_whole(client: AsyncTestClient[Litestar]) -> None:
    """OpenAPI 3.1 as application/json, with bodies, problems, and no dangling reference."""
    answer = await client.get("/schema")
    assert answer.headers["content-type"].startswith("application/json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/driver/v1/positions"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]
    names = document["components"]["schemas"].keys()
    assert {"Problem", "PositionsIn"} <= names
    for part in answer.text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in names


@pytest.mark.parametrize(
    "path", ["/driver/v1/events", "/driver/v1/have?ids=", "/driver/v1/positions"]
)
async def test_nobody_calls_without_a_token(client: AsyncTestClient[Litestar], path: str) -> None:
    """No token, no answer."""
    method = "POST" if path.endswith("positions") else "GET"
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert answer.headers["www-authenticate"] == "Bearer"
