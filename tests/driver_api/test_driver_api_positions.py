"""The positions lane: fixes once and by month, bounded in time and number, in nobody's way."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import anyio
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select, text
from sqlmodel import col

from backend.clock import rfc3339
from backend.domain.people import Role
from backend.identity import access
from backend.keys import load_keys
from backend.settings import Settings
from backend.store import positions
from backend.store.database import Database
from backend.tables.devices import DeviceJournal
from backend.tables.fleet import Driver
from backend.tables.positions import LastFix, Position
from driver_api.positions import AHEAD, LATEST, Lane, LaneFull, Pace
from tests.fixtures.clock import FakeClock
from tests.fixtures.people import a_person
from tests.fixtures.phones import Phone, a_phone, calling
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio

Client = AsyncTestClient[Litestar]
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[Client]:
    """The application, at the moment at which the tests' clock stands."""
    async with calling(settings, FakeClock(NOW)) as client:
        yield client


@pytest.fixture
async def phone(db: Database, settings: Settings) -> Phone:
    """A phone of a new driver."""
    return await a_phone(db, settings)


def fix(at: datetime, **more: object) -> dict[str, Any]:
    """A fix as a phone sends it."""
    return {"at": rfc3339(at), "lat": 39.29, "lon": -76.6, "accuracy_m": 8, **more}


async def send(client: Client, phone: Phone, *fixes: object) -> int:
    """Send a batch; how many were accepted."""
    answer = await client.post("/driver/v1/positions", json={"fixes": fixes}, headers=phone.headers)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["accepted"])


async def kept(db: Database, phone: Phone) -> list[Position]:
    """The fixes of a phone, earliest first."""
    query = select(Position).where(col(Position.device_id) == phone.id)
    async with db.snapshot() as tx:
        return list(await tx.scalars(query.order_by(col(Position.at))))


async def newest(db: Database, driver: UUID) -> LastFix | None:
    """Where a driver was last."""
    async with db.snapshot() as tx:
        return await tx.get(LastFix, driver)


async def test_the_first_of_two_different_fixes_of_one_moment_stays(
    client: Client, phone: Phone, db: Database
) -> None:
    """In one batch or in two, and however often they come."""
    first, other = fix(NOW, lat=1.0), fix(NOW, lat=2.0)
    assert await send(client, phone, first, other) == 2
    assert await send(client, phone, other, first) == 2
    assert [row.lat for row in await kept(db, phone)] == [1.0]


async def test_times_that_cannot_be_are_dropped(client: Client, phone: Phone, db: Database) -> None:
    """From five minutes ahead and from longer ago than a month on, and no fix beside them."""
    edge = timedelta(milliseconds=1)
    times = (NOW + AHEAD + edge, NOW + AHEAD, NOW - LATEST, NOW - LATEST - edge)
    assert await send(client, phone, *map(fix, times)) == 2
    assert [row.at for row in await kept(db, phone)] == [NOW - LATEST, NOW + AHEAD]


async def test_the_newest_fix_is_at_hand(client: Client, phone: Phone, db: Database) -> None:
    """Whatever the order of batches, and of fixes in a batch."""
    ago = [fix(NOW - timedelta(minutes=m), lat=float(m)) for m in range(10)]
    await send(client, phone, ago[3], ago[1], ago[2])
    await send(client, phone, ago[5], ago[4])
    found = await newest(db, phone.driver_id)
    assert found is not None
    assert (found.lat, found.device_id) == (1.0, phone.id)


async def test_fixes_lock_nothing_that_a_push_needs(db: Database, phone: Phone) -> None:
    """The lane writes its own tables alone, and reads none for writing."""
    fixes = [positions.Fix(NOW, 1, 2, 3, None, mock=False)]
    held = text(
        "SELECT DISTINCT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid() "
        "AND locktype = 'relation' AND mode <> 'AccessShareLock'"
    )
    async with db.begin() as tx:
        await positions.keep(tx, phone.id, phone.driver_id, fixes)
        locked = set(await tx.scalars(held))
    async with db.begin() as tx:
        await positions.keep(tx, phone.id, phone.driver_id, fixes)
        again = set(await tx.scalars(held))
    of_the_lane = {name for name in locked | again if "position" in name or "last_fix" in name}
    assert again <= of_the_lane
    assert locked - of_the_lane <= {"driver", "driver_pkey", "pk_driver"}  # once, for the key


async def test_fixes_pass_while_a_push_holds_its_locks(
    client: Client, phone: Phone, db: Database
) -> None:
    """Journal, driver and counter in the hands of a push: the lane goes on, and the push too."""
    journal = select(DeviceJournal).where(col(DeviceJournal.device_id) == phone.id)
    driver = select(Driver).where(col(Driver.id) == phone.driver_id)
    async with db.begin() as tx:
        await tx.execute(journal.with_for_update())
        await tx.execute(driver.with_for_update(key_share=True))
        with anyio.fail_after(5):
            assert await send(client, phone, fix(NOW)) == 1


async def test_a_full_lane_sheds() -> None:
    """No more than so many batches are in it, and who leaves makes room."""
    lane, one, other = Lane(most=1), UUID(int=1), UUID(int=2)
    with lane.admit(one, now=0):
        with pytest.raises(LaneFull) as refused, lane.admit(other, now=0):
            pass
        assert refused.value.headers["Retry-After"] == "5"
    with lane.admit(other, now=0):
        pass


async def test_a_phone_keeps_a_pace() -> None:
    """After a pause it may send much at once, then one a second; others are not held to that."""
    pace, one, other = Pace(1.0, at_once=3), UUID(int=1), UUID(int=2)
    assert [pace.wait(one, now=100.0) for _ in range(5)] == [0, 0, 0, 1, 1]
    assert pace.wait(other, now=100.0) == 0
    assert [pace.wait(one, now=101.5) for _ in range(2)] == [0, 0.5]
    assert [pace.wait(one, now=200.0) for _ in range(4)] == [0, 0, 0, 1]


async def test_who_sends_too_often_is_told_when_to_come() -> None:
    """The answer names the seconds, rounded up."""
    lane, phone = Lane(), UUID(int=1)
    admitted = 0
    with pytest.raises(LaneFull) as refused:
        while True:
            with lane.admit(phone, now=0):
                admitted += 1
    assert (admitted, refused.value.headers["Retry-After"]) == (12, "1")


async def test_a_large_batch_counts_for_what_is_in_it() -> None:
    """Full ones from many phones fill the lane sooner than ordinary ones do."""
    taken: dict[int, int] = {}
    for fixes in (10, 500):
        lane = Lane()
        with pytest.raises(LaneFull):
            for phone in range(1000):
                with lane.admit(UUID(int=phone), now=0):
                    lane.weigh(fixes)
                    taken[fixes] = phone + 1
    assert taken[500] == 4
    assert taken[10] > 40 * taken[500]


async def test_the_lane_goes_on_with_a_phone_that_was_told_to_wait(
    client: Client, phone: Phone, db: Database, settings: Settings
) -> None:
    """429 with Retry-After where a phone floods it; nobody else is held to that."""
    post = partial(client.post, "/driver/v1/positions", headers=phone.headers)
    while (refused := await post(json={"fixes": []})).status_code == 202:
        pass
    assert refused.status_code == 429
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("positions_busy", "1")
    other = await a_phone(db, settings, phone.driver_id)
    assert await send(client, other, fix(NOW)) == 1


async def test_the_database_is_asked_nothing_of_what_is_shed(
    client: Client, settings: Settings
) -> None:
    """A device is looked up when its batch has its turn; what is shed never gets there."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    token = access.issue(keys, uuid4(), NOW).token
    post = partial(client.post, "/driver/v1/positions", json={"fixes": []})
    headers = {"Authorization": f"Bearer {token}"}
    answers = [(await post(headers=headers)).status_code for _ in range(40)]
    assert answers[0] == 401
    assert 429 in answers


@pytest.mark.parametrize(
    "hostile",
    [
        {"lat": "NaN"},
        {"lat": 1e400},
        {"lon": 181},
        {"accuracy_m": -1},
        {"accuracy_m": 1e308},
        {"speed": 1e5},
        {"mock": 1},
        {"at": "2026-11-23T08:00:00.000Z\u0000"},
        {"at": "9999-12-31T23:59:59-12:00"},
        {"at": "2026-W48-1T08:00:00Z" * 3},
        {"at": None},
    ],
)
async def test_hostile_fixes_cost_no_other(
    client: Client, phone: Phone, db: Database, hostile: dict[str, object]
) -> None:
    """A field of a wrong type or out of bounds drops its fix alone."""
    good = fix(NOW - timedelta(seconds=1))
    body = json.dumps({"fixes": [{**fix(NOW), **hostile}, good]}).replace("Infinity", "1e999")
    answer = await client.post("/driver/v1/positions", content=body, headers=phone.headers)
    if answer.status_code == 202:
        assert answer.json() == {"accepted": 1}
        assert len(await kept(db, phone)) == 1
    else:  # a number that no JSON reader takes spoils the envelope
        assert answer.status_code == 400


async def test_the_console_sees_where_its_drivers_are(client: Client, db: Database) -> None:
    """Newest fixes of one's own depot of the last day, and a square on the route's sketch."""
    mine, other = await a_round(db, "standard", "premium"), await a_round(db, "standard")
    for made in (mine, other):
        fixes = [positions.Fix(NOW, 39.3, -76.6, 8.0, 4.5, mock=False)]
        async with db.begin() as tx:
            await positions.keep(tx, made.device, made.driver, fixes)
    boss = await a_person(db, client, Role.SUPERVISOR, mine.depot)
    items = (await client.get("/console/v1/positions", headers=boss.headers)).json()["items"]
    assert [(item["driver_id"], item["at"], item["speed"]) for item in items] == [
        (str(mine.driver), rfc3339(NOW), 4.5)
    ]
    session = boss.headers["Authorization"].removeprefix("Bearer ")
    page = await client.get(
        f"/console/routes/{mine.route}", headers={"Cookie": f"session={session}"}
    )
    assert 'class="van"' in page.text
