"""The corners of ``POST /driver/v1/sync``: last words, second thoughts, late learning."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select, update
from sqlmodel import col

from backend.audit.record import Event, record
from backend.dispatch.release import close_day
from backend.domain.people import SYSTEM
from backend.identity import access
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store.database import Database, moment
from backend.store.devices import open_journal
from backend.store.dispatch import assign
from backend.store.routes import hand_over
from backend.store.visits import left_with
from backend.tables.devices import Device
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.stops import Stop, StopEvent
from sync.held import judge_held, judge_learnt
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
DELIVERED: Json = {"method": "handed_over", "parcels": []}


@dataclass
class Phone:
    """A phone that sends what a test tells it to."""

    client: AsyncTestClient[Litestar]
    token: str
    round: Round
    n: int = 0

    def says(self, kind: str, body: Json | None = None, **more: object) -> Json:
        """Number a mutation about the economy stop."""
        self.n += 1
        stop = str(self.round.stops["economy"])
        made = {"id": str(uuid4()), "n": self.n, "kind": kind, "kind_version": 1, "stop_id": stop}
        return {**made, "body": body or {}, **more}

    async def sync(self, *mutations: object, cursor: str | None = None, pull: bool = True) -> Json:
        """Send mutations; return the reply."""
        answer = await self.client.post(
            "/driver/v1/sync",
            json={"cursor": cursor, "pull": pull, "mutations": list(mutations)},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply


@dataclass
class Ground:
    """An installation that phones can be taken from."""

    db: Database
    client: AsyncTestClient[Litestar]
    keys: Keys
    clock: FakeClock

    async def phone(self) -> Phone:
        """A driver with a route of his own, and a phone."""
        made = await a_round(self.db, keys=self.keys)
        token = access.issue(self.keys, made.device, self.clock.now()).token
        return Phone(self.client, token, made)

    async def reinstalled(self, owner: Phone) -> Phone:
        """The same driver with the app anew: another device."""
        fresh = uuid4()
        async with self.db.begin() as tx:
            values: Json = {"driver_id": owner.round.driver, "platform": "ios", "model": "2"}
            values |= {"app_version": "2", "enrolled_at": moment(tx)}
            await record(tx, SYSTEM, Event("device.enrolled", Device, fresh, values, create=True))
            await tx.flush()
            open_journal(tx, fresh)
        token = access.issue(self.keys, fresh, self.clock.now()).token
        return Phone(self.client, token, owner.round)

    async def reassign(self, stop: str, giver: Phone, taker: Phone) -> None:
        """Give one of a driver's stops to another."""
        stop_id, driver = giver.round.stops[stop], taker.round.driver
        change = {"route_id": taker.round.route, "manifest_driver_id": driver, "sequence": 9}
        async with self.db.begin() as tx:
            await record(tx, SYSTEM, Event("stop.reassigned", Stop, stop_id, change))
            await assign(tx, driver, [stop_id], moment(tx))


@pytest.fixture
async def ground(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Ground]:
    """The application, called from outside."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    async with calling(settings, clock) as client:
        yield Ground(db, client, keys, clock)


def outcomes(reply: Json) -> list[tuple[str, str | None]]:
    """Outcome and code of each receipt."""
    return [(receipt["outcome"], receipt["code"]) for receipt in reply["receipts"]]


async def test_nothing_holds_the_last_words_of_a_revoked_device(ground: Ground) -> None:
    """Beyond a gap, without a number, with a number used before: each is kept and says why."""
    phone = await ground.phone()
    before = phone.says("stop.arrived")
    await phone.sync(before)
    async with ground.db.begin() as tx:
        change = {"revoked_at": moment(tx)}
        await record(tx, SYSTEM, Event("device.revoked", Device, phone.round.device, change))
    phone.n += 5
    late = phone.says("stop.noted", {"text": "seventh"})
    filler = phone.says("stop.noted", {"text": "third"}, n=3)
    said = (late, filler, {**before, "body": {"x": 1}}, {"n": None}, 5)
    reply = await phone.sync(*said)
    assert outcomes(reply) == [("quarantined", "device_revoked")] * 5
    assert (reply["acked_n"], reply["need_from"], reply["wipe"]) == (7, None, "after_flush")
    again = await phone.sync(*said)
    assert [receipt["duplicate"] for receipt in again["receipts"]] == [True] * 5


async def test_another_drivers_use_of_an_id_takes_it_from_nobody(ground: Ground) -> None:
    """After a reinstall the event is still known, whoever else sent its id."""
    owner, stranger = await ground.phone(), await ground.phone()
    sent = owner.says("stop.arrived")
    await owner.sync(sent)
    assert outcomes(await stranger.sync(stranger.says("stop.arrived", id=sent["id"]))) == [
        ("quarantined", "id_taken")
    ]
    reinstalled = await ground.reinstalled(owner)
    (receipt,) = (await reinstalled.sync({**sent, "n": 1}))["receipts"]
    assert (receipt["outcome"], receipt["duplicate"]) == ("applied", True)


async def test_a_late_fact_takes_its_stop_off_the_other_route(ground: Ground) -> None:
    """Deltas and a snapshot tell the gaining driver the same when he loses the stop again."""
    first, second = await ground.phone(), await ground.phone()
    await ground.reassign("economy", first, second)
    cursor = (await second.sync())["cursor"]
    assert outcomes(await first.sync(first.says("stop.delivered", DELIVERED))) == [
        ("conflict", None)
    ]
    delta, snapshot = await second.sync(cursor=cursor), await second.sync()
    assert delta["removes"] == [{"type": "stop", "id": str(first.round.stops["economy"])}]
    (told,) = [put for put in delta["puts"] if put["type"] == "route"]
    assert told in snapshot["puts"]
    assert str(first.round.stops["economy"]) not in told["data"]["stop_ids"]


async def test_a_correction_may_name_the_original_again(ground: Ground) -> None:
    """The driver mends twice, each time naming the delivery he regrets."""
    phone = await ground.phone()
    wrong = phone.says("stop.delivered", DELIVERED)

    def mend(reason: str) -> Json:
        becomes = {"kind": "stop.failed", "body": {"reason": reason}}
        body = {"corrects": wrong["id"], "reason": "x" * 1000, "becomes": becomes}
        return phone.says("stop.corrected", body)

    reply = await phone.sync(wrong, mend("not_home"), mend("refused"))
    assert outcomes(reply) == [("applied", None)] * 3
    assert reply["receipts"][2]["stop"]["state"] == "failed"
    stranger = phone.says("stop.noted", {"text": "not an ending"})
    not_an_ending = {**mend("refused")}
    not_an_ending["body"] = {**not_an_ending["body"], "corrects": stranger["id"]}
    phone.n -= 2
    stranger["n"], not_an_ending["n"] = phone.n + 1, phone.n + 2
    assert outcomes(await phone.sync(stranger, not_an_ending))[1] == (
        "rejected",
        "nothing_to_correct",
    )


async def test_a_held_intent_is_answered_once(ground: Ground, db: Database) -> None:
    """What turns out to be rejected gets its answer, and is not asked about for ever."""
    giver, taker = await ground.phone(), await ground.phone()
    foreign = str(giver.round.stops["economy"])
    skip = taker.says("stop.skipped", stop_id=foreign, base=0)
    assert outcomes(await taker.sync(skip)) == [("held", "unknown_stop")]
    assert await judge_held(db, ground.keys) == 0
    await ground.reassign("economy", giver, taker)
    assert await judge_held(db, ground.keys) == 1
    assert await judge_held(db, ground.keys) == 0
    (receipt,) = (await taker.sync(skip))["receipts"]
    assert (receipt["outcome"], receipt["code"], receipt["duplicate"]) == (
        "rejected",
        "plan_newer",
        True,
    )
    assert (receipt["stop"]["id"], receipt["stop"]["state"]) == (foreign, "released")


async def test_what_is_held_under_two_devices_happens_once(ground: Ground, db: Database) -> None:
    """A reinstalled phone repeats what still waits; judged once, it is answered under both."""
    giver, old = await ground.phone(), await ground.phone()
    foreign = giver.round.stops["economy"]
    noted = old.says("stop.noted", {"text": "at the back door"}, stop_id=str(foreign))
    new = await ground.reinstalled(old)
    for phone in (old, new):
        assert outcomes(await phone.sync(noted)) == [("held", "unknown_stop")]
    await ground.reassign("economy", giver, old)
    while await judge_held(db, ground.keys):
        pass
    async with db.snapshot() as tx:
        kinds = await tx.scalars(
            select(col(StopEvent.kind)).where(col(StopEvent.stop_id) == foreign)
        )
        assert list(kinds).count("stop.noted") == 1
    for phone in (old, new):
        (receipt,) = (await phone.sync(noted))["receipts"]
        assert (receipt["outcome"], receipt["duplicate"], receipt["n"]) == ("applied", True, 1)


async def test_an_upgrade_judges_what_an_older_release_did_not_know(
    ground: Ground, db: Database
) -> None:
    """A kind that is known by now gets its answer; one that still is not waits on."""
    phone = await ground.phone()
    arrived, odd = phone.says("stop.arrived"), phone.says("stop.levitated")
    nowhere = phone.says("stop.arrived", stop_id=str(uuid4()))
    await phone.sync(nowhere | {"n": 1}, arrived | {"n": 2}, odd | {"n": 3})
    async with db.begin() as tx:  # as a release without stop.arrived had kept them
        unheard = {"outcome": "held", "code": "unknown_kind", "kind": None, "stop_id": None}
        mine = (col(Mutation.device_id) == phone.round.device) & (col(Mutation.n) < 3)
        await tx.execute(update(Mutation).where(mine).values(**unheard))
    assert await judge_learnt(db, ground.keys) == 2
    assert await judge_learnt(db, ground.keys) == 0
    again = await phone.sync(nowhere | {"n": 1}, arrived | {"n": 2}, odd | {"n": 3})
    assert outcomes(again) == [
        ("held", "unknown_stop"),
        ("recorded", None),
        ("held", "unknown_kind"),
    ]


async def test_what_no_column_holds_fails_nothing_else(ground: Ground) -> None:
    """U+0000 wherever nobody looks: the neighbour applies, the id is echoed, a repeat is one."""
    phone = await ground.phone()
    wrong = phone.says("stop.delivered", DELIVERED)
    becomes = {"kind": "stop.failed", "body": {"reason": "not_home", "mood": "\0", "\0": 1}}
    sent = (
        phone.says("stop.noted", {"text": "x"}, id="a\0b"),
        phone.says("stop.noted", {"text": "x"}, id="z" * 5000),
        phone.says("stop.delivered", {"method": "\0", "parcels": []}),
        phone.says("stop.noted", {"text": "x", "\0": "\0"}, **{"\0": "\0"}),
        wrong | {"n": 5},
        phone.says(
            "stop.corrected",
            {"corrects": wrong["id"], "reason": "slip", "becomes": becomes},
            n=6,
        ),
    )
    numbered = [{**mutation, "n": n} for n, mutation in enumerate(sent, 1)]
    reply = await phone.sync(*numbered)
    assert outcomes(reply) == [("quarantined", "malformed")] * 3 + [("applied", None)] * 3
    assert [receipt["id"] for receipt in reply["receipts"]] == [each["id"] for each in sent]
    again = await phone.sync(*numbered)
    assert again["receipts"] == [{**receipt, "duplicate": True} for receipt in reply["receipts"]]


async def test_what_is_told_after_the_day_was_closed_counts_and_somebody_looks(
    ground: Ground, db: Database, clock: FakeClock
) -> None:
    """A phone was silent overnight; its delivery stands, and nothing returns to its manifest."""
    phone = await ground.phone()
    await phone.sync()
    clock.advance(days=2)
    async with db.begin() as tx:
        await close_day(tx)
    phone.token = access.issue(ground.keys, phone.round.device, clock.now()).token
    route: Json = {"stop_id": None, "route_id": str(phone.round.route)}
    ended = phone.says("stop.delivered", DELIVERED)
    others = phone.says("route.started", **route), phone.says("route.finished", **route)
    reply = await phone.sync(ended, *others, pull=True)
    expected = [("conflict", None), ("rejected", "route_closed"), ("recorded", None)]
    assert outcomes(reply) == expected
    assert reply["receipts"][0]["stop"]["state"] == "delivered"
    assert {put["type"] for put in reply["puts"]} == {"reasons", "settings"}
    async with db.snapshot() as tx:
        asked = select(col(InboxItem.kind)).where(col(InboxItem.mutation_id) == UUID(ended["id"]))
        assert (await tx.scalars(asked)).all() == ["conflict"]


async def test_a_stop_that_comes_back_is_held_again(ground: Ground, db: Database) -> None:
    """Who holds a stop is who was given it last, however often it went to and fro."""
    first, second = await ground.phone(), await ground.phone()
    stop = first.round.stops["economy"]
    async with db.begin() as tx:
        for holder in (second, first):
            await hand_over(tx, stop, holder.round.driver)
            await assign(tx, holder.round.driver, [stop], moment(tx))
        assert await left_with(tx, first.round.driver, [stop]) == {stop}
        assert await left_with(tx, second.round.driver, [stop]) == set()
