"""The customer's page: what it shows when, to whom it tells nothing, what one may ask on it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.keys import load_keys
from backend.store.database import Database, moment
from backend.tables.audit import AuditEntry
from backend.tables.consignments import Consignment
from backend.tables.inbox import InboxItem
from backend.tables.plans import Route
from backend.tables.scopes import Feed
from backend.tables.stops import Stop
from pod.door import customers_code
from pod.token import parse_qr
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio
JSON = {"Accept": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@dataclass
class Customer:
    """A browser or program with links to the four deliveries of a route."""

    client: AsyncTestClient[Litestar]
    db: Database
    made: Round
    clock: FakeClock
    seen: list[httpx.Response] = field(default_factory=list)

    async def asks(self, segment: str = "premium") -> dict[str, Any]:
        """Get the tracking JSON."""
        answer = await self.client.get(f"/t/{self.made.token(segment)}", headers=JSON)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def looks(self, segment: str = "premium") -> str:
        """Get the page."""
        answer = await self.client.get(f"/t/{self.made.token(segment)}", headers=BROWSER)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        return answer.text

    async def posts(self, what: str, body: object, segment: str = "premium") -> httpx.Response:
        """Ask for something, as a program."""
        path = f"/t/{self.made.token(segment)}/{what}"
        return await self.client.post(path, json=body, headers=JSON)

    async def starts(self) -> None:
        """Let the driver set off."""
        async with self.db.begin() as tx:
            change = {"state": "started", "started_at": moment(tx)}
            await record(tx, SYSTEM, Event("route.started", Route, self.made.route, change))

    async def ends(self, segment: str, state: str = "delivered", **more: object) -> None:
        """Let a visit end."""
        async with self.db.begin() as tx:
            change = {"state": state, "proof": "accepted", "closed_at": moment(tx), **more}
            stop = self.made.stops[segment]
            await record(tx, SYSTEM, Event(f"stop.{state}", Stop, stop, change))
            goods = self.made.consignments[segment]
            event = Event(f"consignment.{state}", Consignment, goods, {"state": state})
            await record(tx, SYSTEM, event)


@pytest.fixture
async def customer(
    pg_url: str, db: Database, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Customer]:
    """A customer of a fresh route, before anybody set off."""
    settings = settings_for(pg_url, tmp_path)
    keys = load_keys(settings.data, log_name=settings.log_name)
    async with calling(settings, clock) as client:
        yield Customer(client, db, await a_round(db, keys=keys), clock)


async def test_before_the_route_is_out(customer: Customer) -> None:
    """Promise and ETA are there, the code is not yet."""
    shown = await customer.asks()
    assert (shown["state"], shown["segment"]) == ("released", "premium")
    assert shown["promise"]["start"] < shown["eta"] < shown["promise"]["end"]
    assert (shown["code"], shown["door"], shown["proof"]) == (None, None, None)
    assert shown["actions"] == ["reschedule", "safe_place"]


async def test_code_and_qr_from_the_start_of_the_route(customer: Customer) -> None:
    """Once the driver set off the page holds six digits and the QR's text."""
    await customer.starts()
    shown = await customer.asks()
    stop_id = customer.made.stops["premium"]
    code, qr = customers_code(customer.made.keys, stop_id, 1)
    assert (shown["code"], shown["door"]) == (code, qr)
    read = parse_qr(shown["door"])
    assert read is not None
    assert read[0] == stop_id


async def test_code_from_the_shifts_planned_start(customer: Customer) -> None:
    """A driver who is offline does not withhold the code: the shift's start is enough."""
    customer.clock.advance(minutes=59)
    assert (await customer.asks())["code"] is None
    customer.clock.advance(minutes=1)
    assert (await customer.asks())["code"] is not None


async def test_no_code_where_the_segment_asks_for_none(customer: Customer) -> None:
    """Economy shows no code, and no ETA beyond a rough one."""
    await customer.starts()
    shown = await customer.asks("economy")
    assert (shown["code"], shown["door"]) == (None, None)
    assert shown["eta"].endswith(("00:00.000Z", "30:00.000Z"))


async def test_after_delivery(customer: Customer) -> None:
    """The code is gone, the proof is told, and the delivery can be disputed."""
    await customer.starts()
    await customer.ends("premium", method="handed_over")
    shown = await customer.asks()
    assert (shown["state"], shown["proof"], shown["method"]) == (
        "delivered",
        "accepted",
        "handed_over",
    )
    assert (shown["code"], shown["door"], shown["eta"]) == (None, None, None)
    assert shown["actions"] == ["dispute"]
    page = await customer.looks()
    assert "Delivered" in page
    assert "Handed over in person" in page


async def test_the_page_says_the_same_without_script(customer: Customer) -> None:
    """The page holds the code, the QR as shapes, the advice, and not one script or stranger."""
    await customer.starts()
    code = (await customer.asks())["code"]
    page = await customer.looks()
    assert f"<span>{code[:3]}</span> <span>{code[3:]}</span>" in page
    assert "<svg" in page
    assert "Give the code only when the parcel is in your hands" in page
    assert "<script" not in page
    assert page.count("http") == page.count("http://www.w3.org/2000/svg") == 1
    assert "2 stops before" not in page
    assert "You are next." in page


async def test_the_page_names_nobody(customer: Customer) -> None:
    """Neither name, nor address, nor phone number is on the page or in the JSON."""
    await customer.starts()
    told = await customer.looks() + str(await customer.asks())
    for personal in ("Poe", "Amity", "21223", "4105550142", "Hopper", "39.29"):
        assert personal not in told


async def test_headers_shut_the_page_in(customer: Customer) -> None:
    """Strict CSP, no index, no referrer, no cache, on page and JSON alike."""
    for accept in (JSON, BROWSER):
        answer = await customer.client.get(f"/t/{customer.made.token('premium')}", headers=accept)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["x-robots-tag"].startswith("noindex")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_style_sheet_is_ours(customer: Customer) -> None:
    """The one style sheet is served from here and names nobody else."""
    answer = await customer.client.get("/t/assets/track.css")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "http" not in answer.text
    assert "@import" not in answer.text


async def test_other_links_lead_nowhere(customer: Customer) -> None:
    """An unknown token is 404, as a page for people and as a problem for programs."""
    upper = customer.made.token("premium").upper()
    for token in ("x", "a" * 26, "a" * 5000, "é" * 26, "..%2f..", "%00" * 26, upper):
        for accept in (JSON, BROWSER):
            answer = await customer.client.get(f"/t/{token}", headers=accept)
            assert answer.status_code == 404
        for what in ("reschedule", "safe-place", "dispute"):
            for body in (b'{"date": "2026-11-25", "place": "porch"}', b"nonsense"):
                path = f"/t/{token}/{what}"
                answer = await customer.client.post(path, content=body, headers=JSON)
                assert answer.status_code == 404


async def test_safe_place_reaches_the_driver(customer: Customer) -> None:
    """A safe place is kept, logged as a commitment, and put on the driver's manifest."""
    stop = str(customer.made.stops["premium"])
    async with customer.db.snapshot() as tx:
        before = await tx.get(Feed, (f"driver:{customer.made.driver}", "stop", stop))
    answer = await customer.posts("safe-place", {"place": "  behind the blue bin "})
    assert answer.status_code == 202
    goods = customer.made.consignments["premium"]
    async with customer.db.snapshot() as tx:
        row = await tx.get(Consignment, goods)
        after = await tx.get(Feed, (f"driver:{customer.made.driver}", "stop", stop))
        query = select(AuditEntry).where(col(AuditEntry.entity_id) == str(goods))
        entry = list(await tx.scalars(query.order_by(col(AuditEntry.n))))[-1]
    assert row is not None
    assert row.safe_place == "behind the blue bin"
    assert before is not None
    assert after is not None
    assert (after.v or 0) > (before.v or 0)
    assert (entry.action, entry.actor_type) == ("consignment.safe_place_chosen", "customer")
    assert b"blue" not in entry.leaf
    assert "behind the blue bin" in await customer.looks()


async def test_another_day_asks_a_person(customer: Customer) -> None:
    """A wish for another day opens an inbox item of the depot."""
    day = (customer.clock.now() + timedelta(days=2)).date().isoformat()
    answer = await customer.posts("reschedule", {"date": day, "note": "after six"}, "standard")
    assert answer.status_code == 202
    (item,) = await items(customer, "reschedule")
    assert (item.depot_id, item.stop_id) == (
        customer.made.depot,
        customer.made.stops["standard"],
    )
    assert day in item.detail
    assert "after six" in item.detail


async def test_impossible_days_are_refused(customer: Customer) -> None:
    """Today, the past, a far future and no day at all are malformed, with a pointer."""
    for day in ("2026-11-23", "2020-01-01", "2999-01-01", "soon", "", None):
        answer = await customer.posts("reschedule", {"date": day})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/date"


async def test_dispute_after_delivery_only(customer: Customer) -> None:
    """Before delivery there is nothing to dispute; afterwards a person is asked."""
    early = await customer.posts("dispute", {"note": "where is it?"})
    assert (early.status_code, early.json()["code"]) == (409, "action_not_offered")
    await customer.ends("premium")
    assert (await customer.posts("dispute", {"note": "never came"})).status_code == 202
    (item,) = await items(customer, "dispute")
    assert "never came" in item.detail


async def items(customer: Customer, kind: str) -> list[InboxItem]:
    """Return the inbox items of this route's depot."""
    async with customer.db.snapshot() as tx:
        query = select(InboxItem).where(
            col(InboxItem.kind) == kind, col(InboxItem.depot_id) == customer.made.depot
        )
        return list(await tx.scalars(query))


async def test_only_what_the_segment_offers(customer: Customer) -> None:
    """Economy offers no other day."""
    day = (customer.clock.now() + timedelta(days=2)).date().isoformat()
    answer = await customer.posts("reschedule", {"date": day}, "economy")
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_offered")


async def test_plain_forms_work(customer: Customer) -> None:
    """A browser's form is answered by going back to the page, which says thanks."""
    token = customer.made.token("premium")
    answer = await customer.client.post(
        f"/t/{token}/safe-place",
        data={"place": "Porch & door", "other": ""},
        headers=BROWSER,
        follow_redirects=False,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"/t/{token}?done=safe_place")
    page = (await customer.client.get(answer.headers["location"], headers=BROWSER)).text
    assert "Thank you. The driver will see where to leave it." in page
    assert "Porch &amp; door" in page


FORM = "application/x-www-form-urlencoded"
BAD_BODIES = [
    (b"{", "application/json"),
    (b"\xff\xfe", "application/json"),
    (b"[]", "application/json"),
    (b'{"place": "   "}', "application/json"),
    (b'{"place": "' + b"x" * 201 + b'"}', "application/json"),
    (b"[" * 5000, "application/json"),
    (b"place=%ff", FORM),
    (b"place=%00", FORM),
    (b"\xff", FORM),
    (b"&".join([b"a=b"] * 50), FORM),
    (b"", FORM),
]


async def test_bad_bodies_are_malformed(customer: Customer) -> None:
    """Whatever is sent, it is a 400, never worse."""
    path = f"/t/{customer.made.token('premium')}/safe-place"
    for content, kind in BAD_BODIES:
        headers = {**JSON, "Content-Type": kind}
        answer = await customer.client.post(path, content=content, headers=headers)
        assert answer.status_code == 400, content


async def test_large_bodies_are_refused(customer: Customer) -> None:
    """More than 8 KiB is too large, unread."""
    answer = await customer.posts("safe-place", {"place": "x" * 9000})
    assert answer.status_code == 413


async def test_too_many_wishes(customer: Customer) -> None:
    """Twenty wishes an hour are enough for anybody."""
    for _ in range(20):
        assert (await customer.posts("safe-place", {"place": "porch"})).status_code == 202
    answer = await customer.posts("safe-place", {"place": "porch"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_a_failed_visit_says_why(customer: Customer) -> None:
    """The reason is told in words, and there is no code any more."""
    await customer.starts()
    await customer.ends("premium", "failed", reason="not_home")
    shown = await customer.asks()
    assert (shown["state"], shown["reason"], shown["code"]) == ("failed", "not_home", None)
    assert shown["delivered_at"] is None
    assert "Nobody at home" in await customer.looks()
