"""What an inbox item says of its goods, its driver and its hour, as a page and as JSON."""

import re
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.audit.record import Event, record
from backend.dispatch.follow_ups import finish, open_follow_up
from backend.dispatch.inbox import open_item
from backend.domain.follow_up import FollowUpKind
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Role
from backend.ids import new_id
from backend.store import follow_ups
from backend.store.database import Database
from backend.tables.consignments import Consignment
from backend.tables.fleet import Depot, Driver
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import PASSWORD, Somebody, a_person
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]


async def page_of(client: Client, who: Somebody, state: str = "open") -> str:
    """Sign in and read the inbox as a browser does, one line for each item."""
    form = {"email": who.email, "password": PASSWORD}
    await client.post("/console/sign-in", data=form)
    return (await client.get(f"/console/inbox?state={state}")).text


def card(page: str, detail: str) -> str:
    """Return the words of the item that says `detail`, without its markup."""
    (found,) = [part for part in page.split("<section")[1:] if detail in part]
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


async def asked(
    db: Database, detail: str, *, stop: UUID | None = None, device: UUID | None = None
) -> None:
    """Open an item."""
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=f"test:{new_id()}",
            detail=detail,
            stop_id=stop,
            device_id=device,
        )


async def reference(db: Database, made: Round, segment: str) -> str:
    """Return what the sender calls the goods of a stop."""
    async with db.snapshot() as tx:
        return (await tx.get_one(Consignment, made.consignments[segment])).reference


async def renamed(db: Database, made: Round, name: str) -> None:
    """Give the round's driver a name of his own."""
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("driver.changed", Driver, made.driver, {"name": name}))


async def moved(db: Database, made: Round, timezone: str) -> str:
    """Put the depot into another zone; return its code."""
    async with db.begin() as tx:
        change = {"timezone": timezone}
        await record(tx, SYSTEM, Event("depot.changed", Depot, made.depot, change))
        return (await tx.get_one(Depot, made.depot)).code


async def test_an_item_names_the_goods_and_the_driver(
    client: Client, boss: Somebody, db: Database, made: Round
) -> None:
    """The driver who told, else the one whose route it is; what concerns no stop has no goods."""
    other = await a_round(db, "standard", depot=made.depot)
    await renamed(db, other, "Ada Byron")
    stop, goods = made.stops["standard"], await reference(db, made, "standard")
    await asked(db, "by his route", stop=stop)
    await asked(db, "by who told", stop=stop, device=other.device)
    await asked(db, "no stop", device=other.device)
    page = await page_of(client, boss)
    assert f'<a href="/console/stops/{stop}">{goods}</a>' in page
    assert f"{goods} · Grace Hopper by his route" in card(page, "by his route")
    assert f"{goods} · Ada Byron by who told" in card(page, "by who told")
    assert "Ada Byron no stop" in card(page, "no stop")
    answer = await client.get("/console/v1/inbox?state=open", headers=boss.headers)
    assert {
        item["detail"]: (item["reference"], item["driver"]) for item in answer.json()["items"]
    } == {
        "by his route": (goods, "Grace Hopper"),
        "by who told": (goods, "Ada Byron"),
        "no stop": (None, "Ada Byron"),
    }


async def test_an_items_times_are_the_depots_own(
    client: Client, boss: Somebody, db: Database, made: Round, clock: FakeClock
) -> None:
    """When it came, when it was answered, and when what follows was done; programs read UTC."""
    code = await moved(db, made, "America/New_York")
    there = clock.now().astimezone(ZoneInfo("America/New_York")).strftime("%d %b %H:%M")
    stop, mutation = made.stops["standard"], new_id()
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=f"mutation:{mutation}",
            detail="two truths",
            stop_id=stop,
            mutation_id=mutation,
        )
        await open_follow_up(tx, FollowUpKind.RETURN, stop, mutation)
    assert f"conflict {there} · {code}" in card(await page_of(client, boss), "two truths")
    listed = await client.get("/console/v1/inbox?state=open", headers=boss.headers)
    (item,) = listed.json()["items"]
    assert item["at"].startswith(clock.now().strftime("%Y-%m-%dT%H:%M"))
    async with db.begin() as tx:
        (task,) = (await follow_ups.of_mutations(tx, [mutation]))[mutation]
        await finish(tx, SYSTEM, boss.id, task.id)
    path, body = f"/console/v1/inbox/{item['id']}/resolve", {"action": "acknowledged"}
    await client.post(path, headers=boss.headers, json=body)
    told = card(await page_of(client, boss, "resolved"), "two truths")
    assert f"done, {there}" in told
    assert f"acknowledged, {there}" in told
    assert "UTC" not in told


async def test_an_item_of_no_depot_is_told_in_utc(client: Client, db: Database) -> None:
    """And says so, since there is no depot whose hour it could be."""
    admin = await a_person(db, client, Role.ADMIN)
    await asked(db, "of nobody")
    assert "UTC" in card(await page_of(client, admin), "of nobody")
