"""What happens to the server itself: requests that overlap, jobs, an upgrade."""

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from unittest import mock

from backend.dispatch.boards import drop_tombstones, number_boards
from backend.store.database import Tx
from sync.held import judge_held, judge_learnt
from sync.kinds import Kind
from sync.words import BODIES, Noted
from tests.simulator import driver, office, said
from tests.simulator.history import History
from tests.simulator.line import Answer
from tests.simulator.office import Edit
from tests.simulator.phone import Json
from tests.simulator.points import Request
from tests.simulator.truth import Sent
from tests.simulator.turns import Turns

Work = Callable[[], Awaitable[Answer | None]]


async def overlap(h: History) -> None:
    """Several requests are served at once, statement by statement, as the seed says."""
    crew = h.dice.pick(h.depots.crews)
    phones = [phone for phone in h.live if phone.driver == str(crew.driver)]
    if not phones:
        return
    calls: list[tuple[Sent, Request]] = []
    for phone in h.dice.some(phones)[:2]:
        while not phone.pending or h.dice.chance(3):
            driver.record(h, phone)
        calls.append((h.write(phone, phone.pending), Request()))
    if h.dice.chance(3):
        calls.append((calls[0][0], Request()))  # the road delivers it twice, at once
    if h.dice.chance(2):
        calls[0][1].kill_at = h.dice.number(5, driver.MOST_POINTS)
    edit = await office.draw_edit(h, crew) if len(calls) < 2 or h.dice.chance(5) else None
    works = [(request, _delivering(h, sent, request)) for sent, request in calls]
    if edit is not None:
        request = Request()
        works.append((request, _editing(h, edit, request)))
    turns = Turns(h.dice, h.ground.observer)
    answers = await turns.run(works)
    h.tally["overlapping requests"] += len(works)
    h.tally["turns taken"] += len(turns.order)
    h.tally["waits for locks"] += turns.waits
    h.tell(f"    they took turns: {''.join(map(str, turns.order))}")
    heard = set[int]()
    for (sent, _), answer in zip(calls, answers, strict=False):
        assert answer is None or isinstance(answer, Answer)
        h.hear(sent, answer, takes=id(sent.phone) not in heard)
        heard |= {id(sent.phone)} if answer is not None else set()


def _delivering(h: History, sent: Sent, request: Request) -> Work:
    h.tell(f"{h.name(sent.phone)} syncs {driver.numbers(sent.batch)}, while …")

    async def work() -> Answer | None:
        return await h.deliver(sent, request)

    return work


def _editing(h: History, made: Edit, request: Request) -> Work:
    async def work() -> Answer | None:
        return await office.edit(h, made, request)

    return work


async def edit(h: History) -> None:
    """The office does something; sometimes the server dies of it, or its database fails."""
    made = await office.draw_edit(h)
    request = Request()
    if h.dice.chance(2):
        request = driver.dying(h)
    elif h.dice.chance(1):
        request = Request(fail_at=h.dice.number(1, driver.MOST_POINTS), fails=1)
    await office.edit(h, made, request)


async def judge(h: History) -> None:
    """The timetable looks after what is held."""
    count = await judge_held(h.ground.db, h.ground.keys)
    h.tell(f"the timetable judges what was held: {count}")
    h.tally["judged again"] += count


async def tidy(h: History) -> None:
    """The timetable numbers the boards, or drops tombstones that every phone has seen."""
    if h.dice.chance(5):
        await number_boards(h.ground.db, _nobody_else)
        h.tell("the timetable numbers the boards")
        return
    dropped = await drop_tombstones(h.ground.db, _nobody_else)
    h.tally["tombstones dropped"] += dropped
    h.tell(f"the timetable drops {dropped} tombstones")


async def _nobody_else(_: Tx) -> None:
    """Nobody else leads."""


async def upgrade(h: History) -> None:
    """A release learns a kind that phones have been sending; what was held is judged."""
    learnt = {**BODIES, (Kind(said.NEW_KIND[0]), said.NEW_KIND[1]): Noted}
    with mock.patch("sync.mutations.BODIES", MappingProxyType(learnt)):
        count = await judge_learnt(h.ground.db, h.ground.keys)
    h.tell(f"the server is upgraded, and judges what it did not know: {count}")
    h.tally["learnt"] += count


async def resolve(h: History) -> None:
    """A supervisor answers what the inbox asks, twice; the second time changes nothing."""
    depots = [crew.depot for crew in h.depots.everybody]
    rows = await h.ground.observer.fetch(
        "SELECT id, actions FROM inbox_item WHERE depot_id = ANY($1) AND state = 'open' "
        "ORDER BY subject LIMIT 5",
        depots,
    )
    if not rows:
        return
    row = h.dice.pick(rows)
    body: Json = {"action": "acknowledged"}
    path = f"/console/v1/inbox/{row['id']}/resolve"
    for _ in range(2):
        await office.edit(h, Edit("answers the inbox", path, body))
