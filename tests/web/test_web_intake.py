"""Imports, lists and the fleet over HTTP, as the console's contract has them."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.domain.people import Role
from backend.identity import people
from backend.store.database import Database
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.intake.depots import depot, fresh, order

pytestmark = pytest.mark.anyio

IMPORTS = "/console/v1/imports/consignments"
CSV = "reference,recipient_name,address_line1,city,country,lat,lon,barcode,weight_kg,volume_dm3\n"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
async def client(
    pg_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """The application, called within this process; it stands on the same Monday as the tests."""
    folder = tmp_path_factory.mktemp("intake")
    monday = FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    async with calling(settings_for(pg_url, folder), monday) as opened:
        yield opened


async def sign_in(db: Database, role: Role, depots: list[str]) -> dict[str, str]:
    """Add a person of a role and return the headers of his session."""
    email = f"{fresh('p')}@depot.example".lower()
    async with db.begin() as tx:
        await people.add_person(tx, email, role, depots, PASSWORD)
    opened = await people.sign_in(db, email, PASSWORD, "test")
    return {"Authorization": f"Bearer {opened.token}"}


async def test_json_comes_in_and_is_listed(db: Database, client: AsyncTestClient[Litestar]) -> None:
    """An import answers counts; the list shows state, day, visits and the customer's link."""
    code, reference = await depot(db), fresh()
    headers = await sign_in(db, Role.SUPERVISOR, [code])
    body = [order(reference), {"reference": 7}]
    reply = await client.post(IMPORTS, params={"depot": code}, json=body, headers=headers)
    assert reply.status_code == 200
    assert reply.json() == {
        "accepted": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": [
            {
                "line": None,
                "pointer": "/1/reference",
                "code": "wrong_type",
                "detail": "Expected `str`, got `int`",
            }
        ],
        "warnings": [],
    }
    found = await client.get(
        "/console/v1/consignments", params={"reference": reference}, headers=headers
    )
    [item] = found.json()["items"]
    assert found.json()["next"] is None
    assert (item["state"], item["segment"], item["date"]) == ("ready", "standard", "2026-11-24")
    assert (item["stops"], item["attempts"]) == ([], 0)
    assert len(urlsplit(item["tracking_url"]).path) == len("/t/") + 26


async def test_csv_comes_in_compressed_too(db: Database, client: AsyncTestClient[Litestar]) -> None:
    """Lines are physical lines; a rehearsal writes nothing; a stated day is the service day."""
    code, reference = await depot(db), fresh()
    headers = await sign_in(db, Role.SUPERVISOR, [code]) | {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Encoding": "gzip",
    }
    text = f'{CSV}{reference},Ann,"1 High\nStreet",Leeds,GB,53.8,-1.5,b,1,1\nbad,row\n'
    raw, params = gzip.compress(text.encode()), {"depot": code, "date": "2026-12-24"}
    for dry_run, unchanged in (("true", 0), ("false", 0), ("false", 1)):
        asked = params | {"dry_run": dry_run}
        reply = await client.post(IMPORTS, params=asked, content=raw, headers=headers)
        said = reply.json()
        assert (said["accepted"], said["unchanged"]) == (1 - unchanged, unchanged)
        assert [(n["line"], n["code"]) for n in said["rejected"]] == [(4, "field_count")]
    found = await client.get(
        "/console/v1/consignments", params={"date": "2026-12-24"}, headers=headers
    )
    assert [item["reference"] for item in found.json()["items"]] == [reference]


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("application/json", b"{", 400, "json_list_expected"),
        ("application/json", b"[1", 400, "json_malformed"),
        ("application/json", b"[" * 100_000, 400, "json_malformed"),
        ("application/json", b'{"items": []}', 400, "json_list_expected"),
        ("text/csv", b"", 400, "csv_header_invalid"),
        ("text/csv", b"reference;city\n", 400, "csv_header_invalid"),
        ("text/plain", b"x", 415, "import_media_type"),
        ("text/csv", b"x" * (32 * 1024 * 1024 + 1), 413, "body_too_large"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    db: Database,
    client: AsyncTestClient[Litestar],
    kind: str,
    body: bytes,
    status: int,
    code: str,
) -> None:
    """The problem says which."""
    at = await depot(db)
    headers = await sign_in(db, Role.ADMIN, []) | {"Content-Type": kind}
    reply = await client.post(IMPORTS, params={"depot": at}, content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"].startswith("application/problem+json")


async def test_a_little_that_unpacks_to_much_is_refused(
    db: Database, client: AsyncTestClient[Litestar]
) -> None:
    """The limit counts decompressed bytes."""
    at = await depot(db)
    headers = await sign_in(db, Role.ADMIN, [])
    headers |= {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    raw = gzip.compress(b"x" * (33 * 1024 * 1024), compresslevel=1)
    reply = await client.post(IMPORTS, params={"depot": at}, content=raw, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


async def test_roles_and_depots_bound_what_one_may_do(
    db: Database, client: AsyncTestClient[Litestar]
) -> None:
    """Another depot is not there; compliance changes nothing; nobody is nobody."""
    mine, other = await depot(db), await depot(db)
    supervisor = await sign_in(db, Role.SUPERVISOR, [mine])
    compliance = await sign_in(db, Role.COMPLIANCE, [])
    body = [order(fresh())]
    for headers, code, status, word in (
        (supervisor, other, 404, "depot_not_found"),
        (supervisor, "none", 404, "depot_not_found"),
        (compliance, mine, 403, "role_forbidden"),
        ({}, mine, 401, "session_over"),
    ):
        reply = await client.post(IMPORTS, params={"depot": code}, json=body, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (status, word)
    reply = await client.post(IMPORTS, json=body, headers=supervisor)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "/depot")


async def test_lists_show_ones_own_depots_page_by_page(
    db: Database, client: AsyncTestClient[Litestar]
) -> None:
    """A cursor leads on; what is out of scope is not there."""
    mine, other = await depot(db), await depot(db)
    admin = await sign_in(db, Role.ADMIN, [])
    prefix = fresh()
    orders = [order(f"{prefix}-{i:03d}") for i in range(120)]
    await client.post(IMPORTS, params={"depot": mine}, json=orders, headers=admin)
    await client.post(IMPORTS, params={"depot": other}, json=[order(fresh())], headers=admin)
    headers = await sign_in(db, Role.SUPERVISOR, [mine])
    seen: list[str] = []
    params: dict[str, str] = {}
    while True:
        reply = await client.get("/console/v1/consignments", params=params, headers=headers)
        page = reply.json()
        seen += [item["reference"] for item in page["items"]]
        if page["next"] is None:
            break
        params = {"after": page["next"]}
    assert seen == [o["reference"] for o in orders]


@pytest.mark.parametrize(
    "params", [{"state": "lost"}, {"date": "today"}, {"after": "%%"}, {"date": "2026-02-30"}]
)
async def test_a_question_that_cannot_be_meant_is_told(
    db: Database, client: AsyncTestClient[Litestar], params: dict[str, str]
) -> None:
    """Wrong words in the query are malformed input."""
    headers = await sign_in(db, Role.ADMIN, [])
    reply = await client.get("/console/v1/consignments", params=params, headers=headers)
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["pointer"] == f"/{next(iter(params))}"


async def test_a_fleet_is_built_and_listed(db: Database, client: AsyncTestClient[Litestar]) -> None:
    """Depot, vehicle, driver and shift, each with its id; twice the same is a conflict."""
    admin = await sign_in(db, Role.ADMIN, [])
    code = fresh("D")
    site = {"code": code, "name": "North", "lat": 39.3, "lon": -76.6}
    zone = {"timezone": "America/New_York"}

    async def post(path: str, body: Mapping[str, object], status: int = 201) -> dict[str, object]:
        reply = await client.post(f"/console/v1/{path}", json=body, headers=admin)
        assert reply.status_code == status, reply.text
        answer: dict[str, object] = reply.json()
        return answer

    await post("depots", site | zone)
    assert (await post("depots", site | zone, 409))["code"] == "depot_exists"
    await post("depots", site | {"code": fresh(), "timezone": "Mars/Olympus"}, 400)
    van = {"depot": code, "code": "V1", "capacity_kg": 800, "capacity_dm3": 6000.5}
    vehicle = await post("vehicles", van | {"skills": ["Refrigerated"]})
    assert vehicle["skills"] == ["refrigerated"]
    assert (await post("vehicles", van, 409))["code"] == "vehicle_exists"
    driver = await post("drivers", {"depot": code, "name": "Ada", "phone": "+1 410-555-0101"})
    hours = {"date": "2026-11-24", "start": "08:00", "end": "17:00"}
    shift = {"driver_id": driver["id"], "vehicle_id": vehicle["id"]} | hours
    made = await post("shifts", shift)
    assert made["starts_at"] == "2026-11-24T13:00:00.000Z"
    assert (await post("shifts", shift, 409))["code"] == "shift_overlaps"
    assert (await post("shifts", shift | {"end": "07:00"}, 400))["code"] == "shift_invalid"
    assert (await post("shifts", shift | {"driver_id": "x"}, 404))["code"] == "not_found"
    supervisor = await sign_in(db, Role.SUPERVISOR, [code])
    for path in ("depots", "vehicles", "drivers", "shifts"):
        items = (await client.get(f"/console/v1/{path}", headers=supervisor)).json()["items"]
        assert len(items) == 1
        assert items[0].get("code", code) in (code, "V1")
    for path in ("vehicles", "drivers", "shifts"):
        for asked, found in ((code, 1), (await depot(db), 0), ("", 1)):
            url = f"/console/v1/{path}?depot={asked}"
            assert len((await client.get(url, headers=supervisor)).json()["items"]) == found


async def test_a_supervisor_builds_in_his_depots_only(
    db: Database, client: AsyncTestClient[Litestar]
) -> None:
    """He adds vans and drivers there; depots are an administrator's."""
    mine, other = await depot(db), await depot(db)
    headers = await sign_in(db, Role.SUPERVISOR, [mine])
    for path, body, status in (
        ("drivers", {"depot": mine, "name": "Ada"}, 201),
        ("drivers", {"depot": other, "name": "Ada"}, 404),
        ("vehicles", {"depot": other, "code": "V", "capacity_kg": 1, "capacity_dm3": 1}, 404),
        ("depots", {"code": "X"}, 403),
    ):
        reply = await client.post(f"/console/v1/{path}", json=body, headers=headers)
        assert reply.status_code == status, json.dumps(reply.json())
