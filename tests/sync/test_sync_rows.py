"""The rows of the matrix that the product can bring about, from outside and over a real database.

In each test the office (or somebody else) changes four stops after the driver looked; then he tells
what he did there while nobody could hear him. Letters as in the table of rules: what each means for
receipt, inbox and follow-ups is in ``LETTERS``.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select
from sqlmodel import col

from backend.domain.people import SYSTEM
from backend.identity import access
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.follow_ups import FollowUp
from backend.tables.inbox import InboxItem
from planner import edits
from pod.door import customers_code
from tests.fixtures.clock import FakeClock
from tests.sync.office import (
    WORDS,
    Ground,
    Phone,
    another_phone_speaks,
    cancelled,
    code_reissued,
    contact,
    nothing,
    open_ground,
    own_delivered,
    own_failed,
    reassigned,
    reassigned_arrived,
    reassigned_delivered,
    reassigned_failed,
    reopened,
    resequenced,
    revoked,
    route_closed,
    set_delivered,
    set_failed,
    twin_arrived,
    twin_delivered,
    twin_failed,
    unknown,
    window,
)

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


@pytest.fixture
async def ground(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Ground]:
    """An office, a driver and a colleague."""
    async with open_ground(db, settings, clock) as opened_:
        yield opened_


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


@pytest.mark.parametrize(
    ("before", "heard", "letter"),
    [(True, True, "AC"), (True, False, "AC"), (False, True, "A"), (False, False, "AC")],
)
async def test_an_old_code_asks_a_person_if_it_may_have_been_good_then(
    ground: Ground, *, before: bool, heard: bool, letter: str
) -> None:
    """The delivery stands either way, and the code proves nothing.

    Where no clock of ours says when it was given, no wall clock decides: a person does.
    """
    code, _ = customers_code(ground.keys, ground.driver.round.stops["premium"], 1)
    if not before:
        ground.clock.advance(hours=-1)
    await code_reissued(ground)
    ground.clock.advance(hours=2 if not before else 0)
    done = {"method": "handed_over", "parcels": [], "code": code}
    said = ground.driver.says("stop.delivered", done, "premium", at=at(ground.clock, 0))
    boot = "b" if heard else "another"
    (receipt,) = (await speaks(ground.driver, ground, said, boot=boot))["receipts"]
    assert (receipt["outcome"], *await opened(ground.db, said["id"])) == LETTERS[letter]
    assert "code_wrong" in {finding["code"] for finding in receipt["findings"]}
    assert receipt["stop"]["state"] == "delivered"


def at(clock: FakeClock, ago_s: float) -> Json:
    """What a phone's clocks show of a moment some seconds ago, in a boot we have an anchor of."""
    wall = (clock.now() - dt.timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
    return {"wall": wall, "monotonic_ms": 10_000_000 - ago_s * 1000, "boot": "b"}


async def speaks(phone: Phone, ground: Ground, said: Json, *, boot: str = "b") -> Json:
    """Have a phone bring one mutation in a call that shows its clocks."""
    token = access.issue(ground.keys, phone.round.device, ground.clock.now()).token
    client = {"monotonic_ms": 10_000_000, "boot": boot, "wall": at(ground.clock, 0)["wall"]}
    answer = await phone.client.post(
        "/driver/v1/sync",
        json={"pull": False, "client": client, "mutations": [said]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200
    reply: Json = answer.json()
    return reply


@pytest.mark.parametrize(
    ("ago_s", "boots", "counts"),
    [
        (1800, ("b", "b"), True),
        (601, ("b", "b"), False),
        (60, ("b", "b"), False),
        (1800, ("b", "another"), False),
        (1800, ("another", "b"), False),
    ],
)
async def test_of_two_deliveries_the_earlier_counts(
    ground: Ground, ago_s: float, boots: tuple[str, str], *, counts: bool
) -> None:
    """Whichever arrives first; where the clocks leave a doubt, the one that was heard first.

    A boot in which nobody was heard has its wall clock alone, and that decides nothing.
    """
    await reassigned(ground)
    done = {"method": "handed_over", "parcels": []}
    theirs = ground.colleague.says("stop.delivered", done, "economy", at=at(ground.clock, 600))
    mine = ground.driver.says(
        "stop.delivered", {**done, "method": "neighbour"}, "economy", at=at(ground.clock, ago_s)
    )
    for phone, said, boot in zip(
        (ground.colleague, ground.driver), (theirs, mine), boots, strict=True
    ):
        await speaks(phone, ground, said, boot=boot)
    stop = await ground.state("economy")
    assert (stop.method == "neighbour") == counts
    assert stop.manifest_driver_id == ground.colleague.round.driver
    assert await opened(ground.db, mine["id"]) == (["conflict"], ["duplicate_delivery"])


@pytest.mark.parametrize(("boot", "counts"), [("b", True), ("another", False)])
async def test_of_two_arrivals_the_earlier_counts(
    ground: Ground, boot: str, *, counts: bool
) -> None:
    """Another phone of the driver tells of an earlier one; its wall clock alone moves nothing."""
    later = ground.driver.says("stop.arrived", {}, at=at(ground.clock, 60))
    await ground.driver.call(later)
    await another_phone_speaks(ground)
    before = (await ground.state("premium")).arrived_at
    earlier = ground.driver.says("stop.arrived", {}, at=at(ground.clock, 600))
    (receipt,) = (await speaks(ground.driver, ground, earlier, boot=boot))["receipts"]
    after = (await ground.state("premium")).arrived_at
    assert receipt["outcome"] == "recorded"
    assert before is not None
    assert after is not None
    assert (after < before) == counts


@pytest.mark.parametrize("ago_s", [7200, 60])
async def test_no_wall_clock_says_which_wish_came_later(ground: Ground, ago_s: float) -> None:
    """A skip by another phone of the driver, told first; ours is of a boot nobody heard."""
    theirs = ground.driver.says("stop.skipped", {}, at=at(ground.clock, 600))
    await speaks(ground.driver, ground, theirs)
    await another_phone_speaks(ground)
    ours = ground.driver.says("stop.skipped", {}, at=at(ground.clock, ago_s))
    (receipt,) = (await speaks(ground.driver, ground, ours, boot="another"))["receipts"]
    assert receipt["outcome"] == "applied"
