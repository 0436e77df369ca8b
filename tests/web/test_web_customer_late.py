"""The customer's page never promises an arrival that has passed: soon then, and late at last."""

import re
from dataclasses import replace
from datetime import datetime

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.domain.policy import EtaShown
from backend.keys import tracking_hash
from backend.store import segments, tracking
from backend.store.database import Database, moment
from backend.tables.stops import Stop
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import Round
from web.customer.view import view_of

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]
CLOCK_TIME = re.compile(r"\d\d:\d\d")


async def head(client: Client, made: Round, segment: str) -> str:
    """Return what the page says first, in words; what was promised stands below it."""
    answer = await client.get(f"/t/{made.token(segment)}", headers={"Accept": "text/html"})
    (found,) = re.findall(r"<header.*?</header>", answer.text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


async def asked(client: Client, made: Round, segment: str) -> dict[str, object]:
    """Return what a program is told."""
    answer = await client.get(f"/t/{made.token(segment)}", headers={"Accept": "application/json"})
    told: dict[str, object] = answer.json()
    return told


@pytest.mark.parametrize(("segment", "shown"), [("premium", ""), ("standard", "around ")])
async def test_a_time_that_has_passed_is_not_promised(
    client: Client, made: Round, clock: FakeClock, segment: str, shown: str
) -> None:
    """Up to the minute that is shown; then soon, as long as the promise holds; then late."""
    eta = (await asked(client, made, segment))["eta"]
    assert isinstance(eta, str)
    clock.set(datetime.fromisoformat(eta))
    told = await asked(client, made, segment)
    assert (told["eta"], told["expected"]) == (eta, "at")
    assert f"Expected {shown}{eta[11:16]}" in await head(client, made, segment)
    for ahead, expected, words in (
        ({"minutes": 1}, "soon", "Expected soon"),
        ({"hours": 1, "minutes": 15}, "late", "Running late"),
    ):
        clock.advance(**ahead)
        told = await asked(client, made, segment)
        assert (told["eta"], told["expected"]) == (eta, expected)
        page = await head(client, made, segment)
        assert words in page
        assert not CLOCK_TIME.search(page)


async def test_at_the_door_nothing_is_expected(client: Client, db: Database, made: Round) -> None:
    """The driver is there, early or late."""
    async with db.begin() as tx:
        change = {"state": "arrived", "arrived_at": moment(tx)}
        await record(tx, SYSTEM, Event("stop.arrived", Stop, made.stops["premium"], change))
    assert await head(client, made, "premium") == "Your driver is here"
    assert (await asked(client, made, "premium"))["expected"] is None


async def test_a_segment_without_eta_says_nothing_of_it(
    db: Database, made: Round, clock: FakeClock
) -> None:
    """Neither soon nor late."""
    async with db.snapshot() as tx:
        tracked = await tracking.find(tx, tracking_hash(made.token("premium")))
        policy = await segments.policy(tx, "premium", 1)
    assert tracked is not None
    silent = replace(policy, tracking=replace(policy.tracking, eta=EtaShown.NONE))
    clock.advance(hours=5)
    assert view_of(tracked, silent, clock.now()).expected is None
