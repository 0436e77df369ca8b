"""An office, a driver who has looked at his manifest, a colleague, and what happens meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from litestar import Litestar
from litestar.testing import AsyncTestClient

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
from backend.tables.stops import Stop
from planner import edits
from pod.door import issue_door
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling
from tests.fixtures.visits import Round, a_round, a_second_phone

Json = dict[str, Any]

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


@asynccontextmanager
async def open_ground(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Ground]:
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
