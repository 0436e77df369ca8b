"""The rows of the matrix that the product can bring about, from outside and over a real database.

In each test the office (or somebody else) changes four stops after the driver looked; then he tells
what he did there while nobody could hear him. Letters as in the table of rules: what each means for
receipt, inbox and follow-ups is in ``LETTERS``.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import Engine, event, select
from sqlmodel import col

from backend.dispatch.override import Asked, confirm, override_stop
from backend.dispatch.release import close_day
from backend.dispatch.wishes import Asking, choose_safe_place
from backend.domain.people import SYSTEM, Role
from backend.domain.stop import StopState
from backend.identity import access, devices
from backend.identity.people import add_person
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store import segments
from backend.store.database import Database
from backend.store.dispatch import lock_stop
from backend.tables.follow_ups import FollowUp
from backend.tables.inbox import InboxItem
from backend.tables.stops import Stop
from planner import edits
from pod.door import customers_code, issue_door
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round, a_second_phone

pytestmark = pytest.mark.anyio
Json = dict[str, Any]

# What a letter means: the outcome, and the kinds of inbox item and follow-up the mutation opens.
LETTERS: dict[str, tuple[str, list[str], list[str]]] = {
    "A": ("applied", [], []),
    "An": ("applied", ["notice"], []),
    "AC": ("conflict", ["conflict"], []),
    "AX:return": ("conflict", ["conflict"], ["return"]),
    "AX:re_dispatch": ("conflict", ["conflict"], ["re_dispatch"]),
    "AX:duplicate": ("conflict", ["conflict"], ["duplicate_delivery"]),
    "AX:call": ("conflict", ["conflict"], ["call"]),
    "E": ("recorded", [], []),
    "E+An": ("recorded", ["notice"], []),
    "E+AC": ("recorded", ["conflict"], []),
    "M": ("recorded", [], []),
    "R": ("rejected", ["rejected"], []),
    "H": ("held", [], []),
    "Q": ("quarantined", ["quarantined"], []),
}
WORDS = ("arrive", "deliver", "part", "fail", "note", "scan", "prove", "depart", "skip")
# Where each word is said: what closes a stop has one of its own.
PLACES = {"deliver": "economy", "part": "standard", "fail": "business"}


@dataclass
class Phone:
    """A phone that tells what a test wants."""

    client: AsyncTestClient[Litestar]
    keys: Keys
    clock: FakeClock
    round: Round
    n: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    async def call(self, *mutations: Json, pull: bool = False) -> Json:
        """Sync; return the reply."""
        token = access.issue(self.keys, self.round.device, self.clock.now()).token
        answer = await self.client.post(
            "/driver/v1/sync",
            json={"pull": pull, "mutations": list(mutations)},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply

    async def look(self) -> None:
        """Take the manifest in."""
        reply = await self.call(pull=True)
        self.seen = {p["id"]: p["data"]["version"] for p in reply["puts"] if p["type"] == "stop"}

    def says(self, kind: str, body: Json, segment: str = "premium", **more: object) -> Json:
        """Number a mutation about a stop, as the driver saw it last."""
        self.n += 1
        stop = str(self.round.stops[segment])
        frame = {"kind": kind, "kind_version": 1, "stop_id": stop, "base": self.seen.get(stop)}
        return {"id": str(uuid4()), "n": self.n, **frame, "body": body, **more}

    def word(self, word: str) -> Json:
        """Number the mutation for a column of the table."""
        part = [{"parcel_id": str(uuid4()), "outcome": "refused"}]
        words: dict[str, tuple[str, Json]] = {
            "arrive": ("stop.arrived", {}),
            "deliver": ("stop.delivered", {"method": "handed_over", "parcels": []}),
            "part": ("stop.delivered", {"method": "handed_over", "parcels": part}),
            "fail": ("stop.failed", {"reason": "not_home"}),
            "note": ("stop.noted", {"text": "by the door"}),
            "scan": ("parcel.scanned", {"barcode": "P1", "purpose": "deliver"}),
            "prove": ("evidence.added", {"for": str(uuid4())}),
            "depart": ("stop.departed", {}),
            "skip": ("stop.skipped", {}),
        }
        kind, body = words[word]
        return self.says(kind, body, PLACES.get(word, "premium"))


@dataclass
class Ground:
    """An office, a driver who looked at his manifest, and a colleague at the same depot."""

    db: Database
    keys: Keys
    clock: FakeClock
    driver: Phone
    colleague: Phone

    @property
    def stops(self) -> list[UUID]:
        """The driver's stops."""
        return list(self.driver.round.stops.values())

    async def override(self, to: StopState, reason: str) -> None:
        """Set every stop by hand, with a second person where one is asked for."""
        async with self.db.begin() as tx:
            people = [
                await add_person(tx, f"{who}@x.org", Role.SUPERVISOR, [], "x") for who in "12"
            ]
        for stop in self.stops:
            asked = Asked(to, None, reason, "the customer rang the office", str(uuid4()))
            async with self.db.begin() as tx:
                done = await override_stop(tx, SYSTEM, people[0], stop, asked)
                if done.state == "awaiting_second":
                    await confirm(tx, SYSTEM, people[1], done.id)

    async def state(self, segment: str) -> Stop:
        """Read a stop."""
        async with self.db.snapshot() as tx:
            return await tx.get_one(Stop, self.driver.round.stops[segment])


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
async def ground(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Ground]:
    """The application, called from outside; the driver has looked."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    made = await a_round(db, keys=keys)
    other = await a_round(db, "economy", keys=keys, depot=made.depot)
    async with calling(settings, clock) as client:
        driver = Phone(client, keys, clock, made)
        colleague = Phone(client, keys, clock, other)
        await driver.look()
        yield Ground(db, keys, clock, driver, colleague)


async def nothing(ground: Ground) -> None:
    """Nothing happened."""


async def contact(ground: Ground) -> None:
    """The customers chose where to leave it."""
    made = ground.driver.round
    for segment, stop in made.stops.items():
        asking = Asking(made.consignments[segment], made.depot, stop, uuid4())
        async with ground.db.begin() as tx:
            await choose_safe_place(tx, asking, "behind the bin")


async def window(ground: Ground) -> None:
    """Another stop joined the route at its end; arrival times were counted again."""
    mine, theirs = ground.driver.round, ground.colleague.round
    async with ground.db.begin() as tx:
        await edits.reassign(tx, SYSTEM, theirs.stops["economy"], mine.route, 9)


async def code_reissued(ground: Ground) -> None:
    """Every customer got another code."""
    async with ground.db.begin() as tx:
        for id_ in sorted(ground.stops):
            stop = await lock_stop(tx, id_)
            assert stop is not None
            policy = await segments.policy(tx, stop.segment, stop.policy_version)
            await issue_door(tx, SYSTEM, stop, policy)


async def resequenced(ground: Ground) -> None:
    """The dispatcher keeps the stops where they are."""
    for stop in ground.stops:
        async with ground.db.begin() as tx:
            await edits.pin(tx, SYSTEM, stop)


async def reassigned(ground: Ground) -> None:
    """The colleague got them."""
    for stop in ground.stops:
        async with ground.db.begin() as tx:
            await edits.reassign(tx, SYSTEM, stop, ground.colleague.round.route)
    ground.colleague.round.stops |= ground.driver.round.stops


async def reassigned_arrived(ground: Ground) -> None:
    """And he is there."""
    await reassigned(ground)
    there = ground.colleague
    for segment in ground.driver.round.stops:
        await there.call(there.says("stop.arrived", {}, segment))


async def reassigned_delivered(ground: Ground) -> None:
    """And he delivered."""
    await reassigned(ground)
    done = {"method": "handed_over", "parcels": []}
    for segment in ground.driver.round.stops:
        await ground.colleague.call(ground.colleague.says("stop.delivered", done, segment))


async def reassigned_failed(ground: Ground) -> None:
    """And nobody was at home."""
    await reassigned(ground)
    failed = {"reason": "not_home"}
    for segment in ground.driver.round.stops:
        await ground.colleague.call(ground.colleague.says("stop.failed", failed, segment))


async def cancelled(ground: Ground) -> None:
    """The customers want nothing any more."""
    await ground.override(StopState.CANCELLED, "customer_cancelled")


async def set_delivered(ground: Ground) -> None:
    """The customers rang: it is there."""
    await ground.override(StopState.DELIVERED, "customer_confirmed")


async def set_failed(ground: Ground) -> None:
    """The office gave them up."""
    await ground.override(StopState.FAILED, "address_unreachable")


async def reopened(ground: Ground) -> None:
    """He was there; the office took that back."""
    for segment in ground.driver.round.stops:
        await ground.driver.call(ground.driver.says("stop.arrived", {}, segment))
    await ground.driver.look()
    await ground.override(StopState.RELEASED, "try_again")


async def route_closed(ground: Ground) -> None:
    """Two nights went by."""
    ground.clock.advance(days=2)
    async with ground.db.begin() as tx:
        await close_day(tx)


async def revoked(ground: Ground) -> None:
    """The phone was reported stolen."""
    async with ground.db.begin() as tx:
        await devices.revoke(tx, SYSTEM, ground.driver.round.device)


async def unknown(ground: Ground) -> None:
    """He speaks of stops that never were his."""
    stranger = await a_round(ground.db, keys=ground.keys)
    ground.driver.round.stops |= stranger.stops


async def own_delivered(ground: Ground) -> None:
    """He delivered them himself."""
    done = {"method": "handed_over", "parcels": []}
    for segment in ground.driver.round.stops:
        await ground.driver.call(ground.driver.says("stop.delivered", done, segment))


async def own_failed(ground: Ground) -> None:
    """He failed himself."""
    for segment in ground.driver.round.stops:
        await ground.driver.call(ground.driver.says("stop.failed", {"reason": "closed"}, segment))


async def twin_delivered(ground: Ground) -> None:
    """His other phone told so."""
    ground.driver.round = await a_second_phone(ground.db, ground.driver.round)
    await own_delivered(ground)
    await another_phone_speaks(ground)


async def twin_failed(ground: Ground) -> None:
    """His other phone told that nobody was at home."""
    ground.driver.round = await a_second_phone(ground.db, ground.driver.round)
    await own_failed(ground)
    await another_phone_speaks(ground)


async def twin_arrived(ground: Ground) -> None:
    """His other phone told that he is there, set out, and would rather skip it."""
    ground.driver.round = await a_second_phone(ground.db, ground.driver.round)
    for segment in ground.driver.round.stops:
        await ground.driver.call(ground.driver.says("stop.departed", {}, segment))
        await ground.driver.call(ground.driver.says("stop.arrived", {}, segment))
        scan = {"barcode": "P1", "purpose": "deliver"}
        await ground.driver.call(ground.driver.says("parcel.scanned", scan, segment))
    await another_phone_speaks(ground)


async def another_phone_speaks(ground: Ground) -> None:
    """From now on the first phone speaks, which saw nothing of that."""
    ground.driver.round = await a_second_phone(ground.db, ground.driver.round)
    ground.driver.n = 0


ROWS: list[tuple[Callable[[Ground], Awaitable[None]], str]] = [
    #                      arrive deliver part fail note scan prove depart skip
    (nothing, "             A  A   A   A   A A A A A"),
    (contact, "             A  A   A   An  A A A A A"),
    (window, "              A  A   A   An  A A A A A"),
    (code_reissued, "       A  A   AC  A   A A A A A"),
    (resequenced, "         A  A   A   A   A A A A R"),
    (reassigned, "          E+An AX:re_dispatch AX:re_dispatch E+AC A E A E R"),
    (reassigned_arrived, "  E  AX:call AX:call E A E A E R"),
    (reassigned_delivered, "E  AX:duplicate AX:duplicate E A E A E R"),
    (reassigned_failed, "   E  AX:re_dispatch AX:re_dispatch E A E A E R"),
    (cancelled, "           An AX:return AX:return A A E A A R"),
    (set_delivered, "       E  M   AC  AC  A E A A R"),
    (set_failed, "          An AC  AC  M   A E A A R"),
    (reopened, "            A  AC  AC  AC  A A A A R"),
    (route_closed, "        E+An AX:call AX:call AX:call A E A E R"),
    (revoked, "             Q  Q   Q   Q   Q Q Q Q Q"),
    (unknown, "             H  H   H   H   H H H H H"),
    (own_delivered, "       E  M   M   E+AC A A A A R"),
    (own_failed, "          E  AC  AC  E   A A A A R"),
    (twin_delivered, "      M  M   AC  AC  A A A M A"),
    (twin_failed, "         M  AC  AC  M   A A A M A"),
    (twin_arrived, "        M  A   A   A   A M A M A"),
]


@pytest.mark.parametrize(("change", "letters"), ROWS, ids=[row[0].__name__ for row in ROWS])
async def test_row(
    ground: Ground, change: Callable[[Ground], Awaitable[None]], letters: str
) -> None:
    """Each word gets its outcome, and opens exactly what belongs to it; said again, nothing."""
    await change(ground)
    said = {word: ground.driver.word(word) for word in WORDS}
    reply = await ground.driver.call(*said.values())
    again = await ground.driver.call(*said.values())
    assert [receipt["duplicate"] for receipt in again["receipts"]] == [True] * len(WORDS)
    got = {
        word: (receipt["outcome"], *await opened(ground.db, receipt["id"]))
        for word, receipt in zip(WORDS, reply["receipts"], strict=True)
    }
    expected = {word: LETTERS[letter] for word, letter in zip(WORDS, letters.split(), strict=True)}
    assert got == expected


async def opened(db: Database, mutation: str) -> tuple[list[str], list[str]]:
    """Return the kinds of inbox item and of follow-up that a mutation opened."""
    async with db.snapshot() as tx:
        items = select(col(InboxItem.kind)).where(col(InboxItem.mutation_id) == UUID(mutation))
        tasks = select(col(FollowUp.kind)).where(col(FollowUp.mutation_id) == UUID(mutation))
        return list(await tx.scalars(items)), list(await tx.scalars(tasks))


async def test_a_new_order_of_the_route_beats_a_wish(ground: Ground) -> None:
    """A dispatcher's order changes times too: who fails then is noticed, who skips loses."""
    order = list(reversed(ground.stops))
    async with ground.db.begin() as tx:
        await edits.resequence(tx, SYSTEM, ground.driver.round.route, order)
    said = [ground.driver.word(word) for word in ("deliver", "fail", "skip")]
    receipts = (await ground.driver.call(*said))["receipts"]
    told = [(receipt["outcome"], receipt["code"]) for receipt in receipts]
    assert told == [("applied", None), ("applied", None), ("rejected", "plan_newer")]
    assert await opened(ground.db, said[1]["id"]) == (["notice"], [])


async def test_a_failure_that_the_office_mended_meanwhile_can_be_tried_again(
    ground: Ground,
) -> None:
    """It was closed when he came; he comes at another time now: the item says so."""
    await window(ground)
    said = ground.driver.says("stop.failed", {"reason": "closed"}, "business")
    await ground.driver.call(said)
    async with ground.db.snapshot() as tx:
        asked = select(col(InboxItem.detail)).where(col(InboxItem.mutation_id) == UUID(said["id"]))
        (detail,) = await tx.scalars(asked)
    assert detail == "stop.failed while window: closed; another attempt may succeed"


async def test_what_a_delivered_stop_was_taken_from_loses_it(ground: Ground) -> None:
    """The stop leaves the colleague's manifest, as a tombstone, and is back on the driver's."""
    await reassigned(ground)
    first = await ground.colleague.call(pull=True)
    await ground.driver.call(ground.driver.word("deliver"))
    token = access.issue(ground.keys, ground.colleague.round.device, ground.clock.now()).token
    reply = await ground.colleague.client.post(
        "/driver/v1/sync",
        json={"cursor": first["cursor"]},
        headers={"Authorization": f"Bearer {token}"},
    )
    gone = {"type": "stop", "id": str(ground.driver.round.stops["economy"])}
    assert gone in reply.json()["removes"]
    mine = await ground.driver.call(pull=True)
    assert gone["id"] in {put["id"] for put in mine["puts"]}


@pytest.mark.parametrize(("change", "reads"), [(nothing, 0), (contact, 1), (reassigned, 1)])
async def test_what_changed_is_read_once_for_a_chunk(
    ground: Ground, change: Callable[[Ground], Awaitable[None]], reads: int
) -> None:
    """However many mutations and stops it has; where nothing changed, nothing is read."""
    await change(ground)
    told = [ground.driver.says("stop.noted", {"text": word}, "economy") for word in WORDS]
    told += [ground.driver.says("stop.departed", {}, one) for one in ground.driver.round.stops]
    seen: list[str] = []

    def watch(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        await ground.driver.call(*told)
    finally:
        event.remove(Engine, "before_cursor_execute", watch)
    assert sum("FROM stop_event" in statement for statement in seen) == reads
    assert seen


@pytest.mark.parametrize(("before", "letter"), [(True, "AC"), (False, "A")])
async def test_an_old_code_asks_a_person_if_it_was_good_then(
    ground: Ground, *, before: bool, letter: str
) -> None:
    """The delivery stands either way, and the code proves nothing."""
    code, _ = customers_code(ground.keys, ground.driver.round.stops["premium"], 1)
    if not before:
        ground.clock.advance(hours=-1)
    await code_reissued(ground)
    ground.clock.advance(hours=2 if not before else 0)
    wall = ground.clock.now().isoformat().replace("+00:00", "Z")
    done = {"method": "handed_over", "parcels": [], "code": code}
    said = ground.driver.says("stop.delivered", done, "premium", at={"wall": wall})
    (receipt,) = (await ground.driver.call(said))["receipts"]
    assert (receipt["outcome"], *await opened(ground.db, said["id"])) == LETTERS[letter]
    assert "code_wrong" in {finding["code"] for finding in receipt["findings"]}
    assert receipt["stop"]["state"] == "delivered"


async def test_who_takes_back_a_delivery_over_a_cancel_leaves_it_cancelled(ground: Ground) -> None:
    """Nothing was delivered, so nothing has to come back."""
    await cancelled(ground)
    said = ground.driver.word("deliver")
    becomes = {"kind": "stop.failed", "body": {"reason": "not_home"}}
    body = {"corrects": said["id"], "reason": "wrong door", "becomes": becomes}
    mended = ground.driver.says("stop.corrected", body, "economy")
    first, second = (await ground.driver.call(said, mended))["receipts"]
    assert (first["outcome"], first["stop"]["state"]) == ("conflict", "delivered")
    assert (second["outcome"], second["stop"]["state"]) == ("applied", "cancelled")
    async with ground.db.snapshot() as tx:
        query = select(col(FollowUp.state)).where(col(FollowUp.mutation_id) == UUID(said["id"]))
        assert (await tx.scalars(query)).all() == ["done"]


def at(clock: FakeClock, ago_s: float) -> Json:
    """What a phone's clocks show of a moment some seconds ago, in a boot we have an anchor of."""
    wall = (clock.now() - dt.timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
    return {"wall": wall, "monotonic_ms": 10_000_000 - ago_s * 1000, "boot": "b"}


@pytest.mark.parametrize(("ago_s", "counts"), [(1800, True), (601, False), (60, False)])
async def test_of_two_deliveries_the_earlier_counts(
    ground: Ground, ago_s: float, *, counts: bool
) -> None:
    """Whichever arrives first; where the clocks leave a doubt, the one that was heard first."""
    await reassigned(ground)
    done = {"method": "handed_over", "parcels": []}
    theirs = ground.colleague.says("stop.delivered", done, "economy", at=at(ground.clock, 600))
    mine = ground.driver.says(
        "stop.delivered", {**done, "method": "neighbour"}, "economy", at=at(ground.clock, ago_s)
    )
    for phone, said in ((ground.colleague, theirs), (ground.driver, mine)):
        token = access.issue(ground.keys, phone.round.device, ground.clock.now()).token
        client = {"monotonic_ms": 10_000_000, "boot": "b", "wall": at(ground.clock, 0)["wall"]}
        answer = await phone.client.post(
            "/driver/v1/sync",
            json={"pull": False, "client": client, "mutations": [said]},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200
    stop = await ground.state("economy")
    assert (stop.method == "neighbour") == counts
    assert stop.manifest_driver_id == ground.colleague.round.driver
    assert await opened(ground.db, mine["id"]) == (["conflict"], ["duplicate_delivery"])


async def test_of_two_arrivals_the_earlier_counts(ground: Ground) -> None:
    """Another phone of the driver tells of an earlier one."""
    later = ground.driver.says("stop.arrived", {}, at=at(ground.clock, 60))
    await ground.driver.call(later)
    await another_phone_speaks(ground)
    before = (await ground.state("premium")).arrived_at
    earlier = ground.driver.says("stop.arrived", {}, at=at(ground.clock, 600))
    (receipt,) = (await ground.driver.call(earlier))["receipts"]
    after = (await ground.state("premium")).arrived_at
    assert receipt["outcome"] == "recorded"
    assert before is not None
    assert after is not None
    assert after < before
