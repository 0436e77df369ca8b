"""Our server with a prepared round, and a proxy that breaks what passes through it."""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.cli.conformance.kit.round import Control, Round, Secrets
from backend.clock import SystemClock
from backend.domain.people import SYSTEM, Role
from backend.identity.devices import issue_enrolment_code
from backend.identity.people import add_person
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store.database import Database, moment
from backend.tables.fleet import Depot
from backend.tables.plans import Route
from backend.tables.stops import Stop
from pod.door import customers_code
from tests.fixtures.people import PASSWORD
from tests.fixtures.visits import Round as Made
from tests.fixtures.visits import a_round

Json = dict[str, Any]
Spoil = Callable[[Json], None]
PLENTY = ("standard",) * 36 + ("premium",) * 3


@dataclass(frozen=True, slots=True)
class Ground:
    """A real server, a round on which everything can be tried, and one to try broken servers on."""

    port: int
    url: str
    round: Round
    spare: Round


@asynccontextmanager
async def prepared(settings: Settings, port: int) -> AsyncIterator[Ground]:
    """Rounds with plenty of stops, and what is needed to try everything on them."""
    keys, url = load_keys(settings.data, log_name=settings.log_name), f"http://127.0.0.1:{port}"
    db = Database(str(settings.database_url), clock=SystemClock())
    made = await a_round(db, *PLENTY, keys=keys)
    other = await a_round(db, *PLENTY, keys=keys, depot=made.depot)
    async with db.begin() as tx:
        codes = [(await issue_enrolment_code(tx, keys, made.driver))[0] for _ in range(6)]
        others = [(await issue_enrolment_code(tx, keys, other.driver))[0] for _ in range(7)]
        foreign = (await issue_enrolment_code(tx, keys, made.driver))[0]
    control = await control_of(db, url, made)
    whole = Round(codes, others[:1], await doors_of(db, keys, made), control)
    yield Ground(port, url, whole, Round(others[1:], [foreign]))
    await db.close()


async def doors_of(db: Database, keys: Keys, made: Made) -> dict[str, Secrets]:
    """What the customers of its premium stops hold."""
    async with db.snapshot() as tx:
        query = select(col(Stop.id)).where(
            col(Stop.route_id) == made.route, col(Stop.segment) == "premium"
        )
        stops = list(await tx.scalars(query))
    return {str(id_): Secrets(*customers_code(keys, id_, 1)) for id_ in stops}


async def control_of(db: Database, url: str, made: Made) -> Control:
    """A new supervisor of its depot, signed in."""
    async with db.begin() as tx:
        depot = (await tx.get_one(Depot, made.depot)).code
        email = f"{depot}@example.org"
        await add_person(tx, email, Role.SUPERVISOR, [depot], PASSWORD)
    async with httpx.AsyncClient(base_url=url) as client:
        said = {"email": email, "password": PASSWORD}
        return Control(url, (await client.post("/console/v1/sign-in", json=said)).json()["token"])


@asynccontextmanager
async def a_route_out(settings: Settings, port: int) -> AsyncIterator[Round]:
    """A route that has been started, so that its customers see what they hold."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    db = Database(str(settings.database_url), clock=SystemClock())
    made = await a_round(db, "standard", "premium", keys=keys)
    async with db.begin() as tx:
        started = {"state": "started", "started_at": moment(tx)}
        await record(tx, SYSTEM, Event("route.started", Route, made.route, started))
    control = await control_of(db, f"http://127.0.0.1:{port}", made)
    yield Round(doors=await doors_of(db, keys, made), control=control)
    await db.close()


@contextmanager
def broken(port: int, spoil: Spoil) -> Iterator[str]:
    """Serve a proxy to our server that spoils every reply to a sync call."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            line = HTTPConnection("127.0.0.1", port, timeout=30)
            line.request(self.command, self.path, body, dict(self.headers))
            answer = line.getresponse()
            raw = answer.read()
            if self.path == "/driver/v1/sync" and answer.headers.get("Content-Encoding") is None:
                reply = json.loads(raw)
                spoil(reply)
                raw = json.dumps(reply).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
            line.close()

        do_GET = do_POST = _pass_on  # noqa: N815 - names that the library looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def described(round_: Round, path: Path) -> Path:
    """Write a round's description as the command reads it."""
    import msgspec

    path.write_bytes(msgspec.json.encode(round_))
    return path
