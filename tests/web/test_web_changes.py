"""``/console/v1/changes``: a control room's board by cursor is the board itself."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import text

import web.board
from backend.audit.record import Event, record
from backend.dispatch.boards import TOMBSTONES_FOR, clear_boards, drop_tombstones, number_boards
from backend.dispatch.inbox import open_item
from backend.domain.inbox import InboxKind
from backend.domain.people import SYSTEM, Role
from backend.store import inbox as inbox_store
from backend.store.database import Database, Tx
from backend.tables.inbox import InboxItem
from backend.tables.plans import Route
from backend.tables.stops import Stop
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import Somebody, a_person
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]
Json = dict[str, Any]


async def nobody_asks(_tx: Tx) -> None:
    """A fence that lets everybody pass."""


class Console:
    """Whoever keeps a board by reading its changes."""

    def __init__(self, client: Client, who: Somebody, cursor: str | None = None) -> None:
        self.client, self.who, self.cursor = client, who, cursor
        self.items: dict[str, Json] = {}
        self.last: Json = {}

    async def read(self) -> Json:
        """Read one page and apply it."""
        params = {} if self.cursor is None else {"cursor": self.cursor}
        answer = await self.client.get(
            "/console/v1/changes", params=params, headers=self.who.headers
        )
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        if told["reset"]:
            self.items = {}
        self.items |= {put["id"]: put["data"] for put in told["puts"]}
        for gone in told["removes"]:
            self.items.pop(gone["id"], None)
        self.cursor = told["cursor"]
        return told

    async def read_all(self) -> "Console":
        """Read on until nothing more is to come."""
        while (await self.read())["more"]:
            pass
        return self


async def change(db: Database, row: type[Stop | Route], id_: UUID, **change: object) -> None:
    """Change a row through the one writer."""
    async with db.begin() as tx:
        await record(tx, SYSTEM, Event("stop.changed", row, id_, change))


async def a_boss(db: Database, client: Client, depot: UUID) -> Somebody:
    """A supervisor of a depot alone."""
    return await a_person(db, client, Role.SUPERVISOR, depot)


async def test_a_first_read_shows_the_board(client: Client, db: Database) -> None:
    """Route, stops and open inbox items of one's own depot, numbered or not, and nothing else."""
    made, _foreign = await a_round(db, "standard", "premium"), await a_round(db)
    await number_boards(db, nobody_asks)
    async with db.begin() as tx:
        await open_item(
            tx,
            kind=InboxKind.CONFLICT,
            subject=f"changes:{made.route}",
            detail="secret",
            stop_id=made.stops["premium"],
        )
        item = await inbox_store.lock_subject(tx, f"changes:{made.route}")
        assert item is not None
    console = await Console(client, await a_boss(db, client, made.depot)).read_all()
    assert set(console.items) == {str(id_) for id_ in (made.route, *made.stops.values(), item.id)}
    assert console.items[str(made.stops["premium"])]["state"] == "released"
    assert "secret" not in str(console.items)


async def test_a_delta_tells_what_changed_and_no_more(client: Client, db: Database) -> None:
    """One stop changed: one put. Nothing changed: nothing."""
    made = await a_round(db, "standard", "premium")
    await number_boards(db, nobody_asks)
    console = await Console(client, await a_boss(db, client, made.depot)).read_all()
    await change(db, Stop, made.stops["standard"], state="arrived")
    assert (await console.read())["puts"] == []
    await number_boards(db, nobody_asks)
    told = await console.read()
    assert [(put["type"], put["data"]["state"]) for put in told["puts"]] == [("stop", "arrived")]
    assert (told["reset"], told["removes"]) == (False, [])
    assert (await console.read())["puts"] == []


async def test_a_resolved_item_leaves_the_board(client: Client, db: Database) -> None:
    """What nobody has to answer any more is removed."""
    made = await a_round(db, "standard")
    subject = f"gone:{made.route}"
    async with db.begin() as tx:
        await open_item(
            tx, kind=InboxKind.CONFLICT, subject=subject, detail="", depot_id=made.depot
        )
    await number_boards(db, nobody_asks)
    console = await Console(client, await a_boss(db, client, made.depot)).read_all()
    async with db.begin() as tx:
        item = await inbox_store.lock_subject(tx, subject)
        assert item is not None
        done = {"state": "resolved", "action": "acknowledged"}
        await record(tx, SYSTEM, Event("inbox.resolved", InboxItem, item.id, done))
    await number_boards(db, nobody_asks)
    assert [gone["id"] for gone in (await console.read())["removes"]] == [str(item.id)]


async def test_pages_of_several_depots_are_the_whole_board(
    client: Client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator reads every depot in small pages, while things change between them."""
    monkeypatch.setattr(web.board, "PAGE", 2)
    one, two = await a_round(db), await a_round(db, "standard", "economy")
    for id_ in (*one.stops.values(), *two.stops.values()):
        await change(db, Stop, id_, pinned=True)
        await number_boards(db, nobody_asks)
    admin = await a_person(db, client, Role.ADMIN)
    console = Console(client, admin)
    assert (await console.read())["more"]
    await change(db, Stop, one.stops["premium"], pinned=False)
    await number_boards(db, nobody_asks)
    await console.read_all()
    monkeypatch.undo()
    assert console.items == (await Console(client, admin).read_all()).items
    wanted = {str(id_) for made in (one, two) for id_ in (made.route, *made.stops.values())}
    assert wanted <= set(console.items)


async def test_whoever_was_away_too_long_begins_anew(
    client: Client, db: Database, clock: FakeClock
) -> None:
    """Routes leave the board after a fortnight, their tombstones a month later."""
    made, later = await a_round(db, "standard"), None
    await number_boards(db, nobody_asks)
    boss = await a_boss(db, client, made.depot)
    absent = await Console(client, boss).read_all()
    clock.advance(days=15)
    await clear_boards(db, nobody_asks)
    await number_boards(db, nobody_asks)
    later = await _signed_in_again(db, client, made)
    timely = await Console(client, later, absent.cursor).read_all()
    clock.set(clock.now() + TOMBSTONES_FOR + timedelta(hours=1))
    assert await drop_tombstones(db, nobody_asks) >= 2
    again = await _signed_in_again(db, client, made)
    late = Console(client, again, absent.cursor)
    late.items = dict(absent.items)
    assert (await late.read())["reset"]
    assert late.items == {}
    timely.who = again
    assert not (await timely.read())["reset"]


async def _signed_in_again(db: Database, client: Client, made: Round) -> Somebody:
    """A session ends long before tombstones do: somebody of the same depot comes."""
    return await a_boss(db, client, made.depot)


@pytest.mark.parametrize("cursor", ["", "x", "é", "%00", "AAAA", "a" * 20_000, "kwE="])
async def test_a_cursor_that_is_not_ours_begins_anew(
    client: Client, db: Database, cursor: str
) -> None:
    """Whatever it is, it is answered with everything, and never with a fault."""
    made = await a_round(db, "standard")
    console = Console(client, await a_boss(db, client, made.depot), cursor)
    assert (await console.read())["reset"]
    assert str(made.route) in console.items


async def test_a_cursor_of_another_depot_begins_anew(client: Client, db: Database) -> None:
    """Whoever changes depots keeps nothing of the former one."""
    made, other = await a_round(db, "standard"), await a_round(db, "standard")
    await number_boards(db, nobody_asks)
    admin = await Console(client, await a_person(db, client, Role.ADMIN)).read_all()
    console = Console(client, await a_boss(db, client, made.depot), admin.cursor)
    assert (await console.read())["reset"]
    assert str(other.route) not in console.items


async def test_another_life_of_the_database_begins_anew(client: Client, db: Database) -> None:
    """After a restore from a backup no cursor counts."""
    made = await a_round(db, "standard")
    console = await Console(client, await a_boss(db, client, made.depot)).read_all()
    async with db.begin() as tx:
        await tx.execute(text("UPDATE installation SET epoch = gen_random_uuid()"))
    assert (await console.read())["reset"]


async def test_a_page_carries_the_cursor_of_what_it_shows(client: Client, db: Database) -> None:
    """From the cursor in a page, the changes since then are read, and only they."""
    made = await a_round(db, "standard")
    await number_boards(db, nobody_asks)
    boss = await a_boss(db, client, made.depot)
    session = boss.headers["Authorization"].removeprefix("Bearer ")
    page = await client.get(
        f"/console/routes/{made.route}", headers={"Cookie": f"session={session}"}
    )
    assert f'data-route="{made.route}"' in page.text
    cursor = page.text.partition('data-cursor="')[2].partition('"')[0]
    console = Console(client, boss, cursor)
    await change(db, Stop, made.stops["standard"], state="arrived")
    await number_boards(db, nobody_asks)
    told = await console.read()
    assert (told["reset"], [put["id"] for put in told["puts"]]) == (
        False,
        [str(made.stops["standard"])],
    )
