"""Nobody sees what is outside his scope: every route, every kind of wrong id, and nobody at all.

The routes are enumerated from the application, so a new one is tested on the day it is added.
"""

import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.testing import AsyncTestClient

from backend.app import create_app
from backend.audit.record import Event, record
from backend.dispatch.follow_ups import open_follow_up
from backend.dispatch.inbox import open_item
from backend.domain.follow_up import FollowUpKind
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Role
from backend.ids import new_id
from backend.settings import Settings, load
from backend.store import follow_ups
from backend.store import inbox as inbox_store
from backend.store.database import Database, moment
from backend.tables.consignments import Consignment
from backend.tables.evidence import Evidence, EvidenceRef
from backend.tables.plans import Plan
from backend.tables.stops import Override
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.plans import Planned, a_plan
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]

# Who may call without being anybody: each is public for a reason that this list makes visible.
PUBLIC = {
    "/",
    "/console",
    "/console/assets/{name}",
    "/console/sign-in",
    "/console/v1/sign-in",
    "/driver/v1/devices",
    "/driver/v1/tokens",
    "/favicon.ico",
    "/health/live",
    "/health/ready",
    "/schema",
    "/schema/openapi.json",
    "/schema/{path}",
    "/t/assets/track.css",
    "/t/{token}",
    "/t/{token}/dispute",
    "/t/{token}/reschedule",
    "/t/{token}/safe-place",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A method of a path, with its parameters still open."""

    method: str
    path: str
    public: bool

    @property
    def names(self) -> list[str]:
        """The parameters in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    def filled(self, values: dict[str, str]) -> str:
        """Return the path with its parameters filled in."""
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def every_call() -> list[Call]:
    """Enumerate the application's routes."""
    with tempfile.TemporaryDirectory() as folder:
        nowhere = "postgresql+asyncpg://nobody@127.0.0.1/nowhere"
        settings = replace(load({}), data=Path(folder), database_url=nowhere)
        return sorted(_calls(create_app(settings)), key=str)


def _calls(app: Litestar) -> Iterator[Call]:
    for route in app.routes:
        path = re.sub(r":\w+\}", "}", route.path)
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                public = bool(handler.opt.get("public")) or path.startswith("/schema")
                for method in sorted(handler.http_methods - {"OPTIONS"}):
                    yield Call(str(method), path, public)


CALLS = every_call()
CLOSED = [call for call in CALLS if not call.public]
SCOPED = [call for call in CLOSED if call.path.startswith("/console") and call.names]
LISTS = [c for c in CLOSED if c.method == "GET" and c.path.startswith("/console") and not c.names]
MALFORMED = ("x", "0", "%00", "%2e%2e%2f", "null", "\u0661" * 36, "{}", "a" * 300)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Everything of another depot: values by the name of the path's parameter."""

    ground: Planned
    ids: dict[str, str]
    secrets: tuple[str, ...]


@pytest.fixture
def settings(fresh_pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(fresh_pg_url, tmp_path)


@pytest.fixture
async def client(settings: Settings, clock: FakeClock) -> AsyncIterator[Client]:
    """The application."""
    async with calling(settings, clock) as client:
        yield client


@pytest.fixture
async def foreign(fresh_db: Database, client: Client) -> Foreign:
    """A depot with one of everything that has an id."""
    db = fresh_db
    made = await a_plan(db)
    boss = await a_person(db, client, Role.SUPERVISOR, made.ground.depot)
    ids = {
        "stop_id": str(made.ground.stops["economy"]),
        "route_id": str(made.route),
        "plan_id": str(made.plan),
        "driver_id": str(made.ground.driver),
        "device_id": str(made.ground.device),
        "item_id": await an_item(db, made),
        "override_id": await an_override(db, made, boss),
        "task_id": await a_task(db, made),
        "sha256": await an_exhibit(db, made),
        "hold_id": str(uuid4()),
        "code": "no-such-segment",
    }
    async with db.snapshot() as tx:
        goods = await tx.get_one(Consignment, made.ground.consignments["economy"])
    secrets = (*ids.values(), goods.reference, str(goods.id), boss.email, "Edgar Poe")
    return Foreign(made, ids, tuple(s for s in secrets if s != "no-such-segment"))


async def an_item(db: Database, made: Planned) -> str:
    """Open an inbox item of the depot."""
    subject = f"law:{made.route}"
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=subject,
            detail="secret",
            stop_id=made.ground.stops["economy"],
        )
        item = await inbox_store.lock_subject(tx, subject)
        assert item is not None
        return str(item.id)


async def a_task(db: Database, made: Planned) -> str:
    """Open a follow-up at a stop of the depot."""
    cause = new_id()
    async with db.begin() as tx:
        await open_follow_up(tx, FollowUpKind.CALL, made.ground.stops["economy"], cause)
        (task,) = (await follow_ups.of_mutations(tx, [cause]))[cause]
        return str(task.id)


async def an_override(db: Database, made: Planned, boss: Somebody) -> str:
    """Write down an override that waits for its second person."""
    id_ = new_id()
    async with db.begin() as tx:
        change = {
            "stop_id": made.ground.stops["economy"],
            "state": "awaiting_second",
            "to_state": "delivered",
            "reason": "correction",
            "note": "written down by a test",
            "idempotency_key": id_.hex,
            "requested_by": boss.id,
            "requested_at": moment(tx),
        }
        await record(tx, SYSTEM, Event("override.requested", Override, id_, change, create=True))
    return str(id_)


async def an_exhibit(db: Database, made: Planned) -> str:
    """Write down a verified photo of the depot's stop."""
    digest, driver = uuid4().hex * 2, made.ground.driver
    async with db.begin() as tx:
        change = {
            "sha256": digest,
            "size": 3,
            "media_type": "image/jpeg",
            "kind": "photo",
            "driver_id": driver,
            "facts": {},
            "verified_at": moment(tx),
        }
        await record(
            tx, SYSTEM, Event("evidence.verified", Evidence, new_id(), change, create=True)
        )
        tx.add(
            EvidenceRef(
                mutation_id=new_id(),
                sha256=digest,
                stop_id=made.ground.stops["economy"],
                driver_id=driver,
                kind="photo",
                size=3,
                media_type="image/jpeg",
            )
        )
    return digest


async def a_stranger(db: Database, client: Client, role: Role = Role.SUPERVISOR) -> Somebody:
    """A person of another depot than the foreign one."""
    return await a_person(db, client, role, (await a_round(db, "standard")).depot)


async def ask(client: Client, call: Call, path: str, who: Somebody | None) -> tuple[int, str]:
    """Make a call as somebody or nobody, with an empty JSON object where it takes a body."""
    headers = {"Tus-Resumable": "1.0.0"}
    if who is not None and call.path.startswith("/console/v1"):
        headers |= who.headers
    elif who is not None:
        headers["Cookie"] = f"session={who.headers['Authorization'].removeprefix('Bearer ')}"
    body = b"{}" if call.method in ("POST", "PUT", "PATCH") else None
    answer = await client.request(
        call.method,
        path,
        params={"ids": str(uuid4())} if call.path.endswith("/have") else None,
        headers=headers,
        content=body,
        follow_redirects=False,
    )
    return answer.status_code, answer.text


def test_what_is_public_is_listed_here() -> None:
    """A route that needs no credentials is there on purpose."""
    assert {call.path for call in CALLS if call.public} == PUBLIC


async def test_nobody_gets_401_everywhere_else(client: Client) -> None:
    """Without credentials, and with wrong ones, every other route answers 401."""
    nobody = Somebody(uuid4(), "", {"Authorization": "Bearer nonsense"})
    for who in (None, nobody):
        for call in CLOSED:
            path = call.filled(dict.fromkeys(call.names, str(uuid4())))
            status, _ = await ask(client, call, path, who)
            assert status == 401, f"{call} as {'nobody' if who is None else 'a liar'}: {status}"


async def test_foreign_ids_are_not_there(
    client: Client, fresh_db: Database, foreign: Foreign
) -> None:
    """A supervisor of another depot gets 404 (or a role's 403), and learns nothing."""
    stranger = await a_stranger(fresh_db, client)
    for call in SCOPED:
        status, text = await ask(client, call, call.filled(foreign.ids), stranger)
        allowed = (404,) if call.path.startswith("/console/v1/stops") else (404, 403)
        assert status in allowed, f"{call}: {status} {text[:200]}"
        leaked = [word for word in ("Edgar Poe", "secret", "awaiting_second") if word in text]
        assert not leaked, f"{call} tells {leaked}"


async def test_ids_that_nobody_has_are_not_there(client: Client, fresh_db: Database) -> None:
    """Malformed and unknown ids are 404 for somebody who may see everything, never 5xx."""
    admin = await a_person(fresh_db, client, Role.ADMIN)
    for call in SCOPED:
        for wrong in (str(uuid4()), *MALFORMED):
            path = call.filled(dict.fromkeys(call.names, wrong))
            status, text = await ask(client, call, path, admin)
            form = call.method == "POST" and not call.path.startswith("/console/v1")
            # A form without the session's word is refused before anything is looked up, and an
            # id that holds a slash may lead to another path.
            allowed = (403, 404, 405) if form else (404, 405)
            assert status in allowed, f"{call} with {wrong!r}: {status} {text[:200]}"


async def test_lists_hold_nothing_foreign(
    client: Client, fresh_db: Database, foreign: Foreign
) -> None:
    """Whatever a supervisor of another depot lists, nothing of the foreign depot is in it."""
    stranger = await a_stranger(fresh_db, client)
    for call in LISTS:
        if call.path.endswith("/events"):
            continue  # a number without content; tested where the stream is
        status, text = await ask(client, call, call.path, stranger)
        assert status in (200, 403), f"{call}: {status} {text[:200]}"
        leaked = [word for word in foreign.secrets if word in text and status == 200]
        assert not leaked, f"{call} tells {leaked}"


async def test_readers_change_nothing(client: Client, fresh_db: Database, foreign: Foreign) -> None:
    """Compliance gets 403 for every change but erasure and holds, even of what he may see."""
    reader = await a_person(fresh_db, client, Role.COMPLIANCE)
    changes = [
        call
        for call in CLOSED
        if call.method != "GET"
        and call.path.startswith("/console/v1")
        and not call.path.startswith(("/console/v1/privacy", "/console/v1/audit"))
        and not call.path.endswith(("/sign-out", "/simulate"))
    ]
    for call in changes:
        status, text = await ask(client, call, call.filled(foreign.ids), reader)
        assert status == 403, f"{call}: {status} {text[:200]}"
        assert '"role_forbidden"' in text
    async with fresh_db.snapshot() as tx:
        assert (await tx.get_one(Plan, foreign.ground.plan)).released_at is None
