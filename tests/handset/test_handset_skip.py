"""A skipped stop goes behind the others, on the phone at once and on the server from then on."""

import asyncio
import json
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select
from sqlmodel import col

from backend.domain.people import SYSTEM
from backend.keys import load_keys
from backend.tables.audit import AuditEntry
from backend.tables.stops import Stop
from handset import Handset
from planner import edits
from tests.fixtures.visits import Round, a_round
from tests.handset.conftest import Bench

pytestmark = pytest.mark.anyio


async def _on_the_road(bench: Bench) -> tuple[Handset, Round, list[str]]:
    keys = load_keys(bench.settings.data, log_name=bench.settings.log_name)
    made = await a_round(bench.db, keys=keys)
    return await _phone(bench, made), made, [str(stop) for stop in made.stops.values()]


async def _phone(bench: Bench, made: Round, name: str = "phone") -> Handset:
    phone = bench.phone(name)
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    return phone


def _shown(phone: Handset) -> list[str]:
    return [stop.id for stop in phone.stops()]


async def _entries(bench: Bench, cause: str) -> list[tuple[str, str, dict[str, object]]]:
    """What the log says came of a mutation."""
    async with bench.db.snapshot() as tx:
        query = select(col(AuditEntry.leaf)).order_by(col(AuditEntry.entity).desc())
        entries = [json.loads(leaf) for leaf in await tx.scalars(query)]
    mine = [each for each in entries if each.get("cause") == cause]
    return [(each["entity"], each["action"], each.get("change", {})) for each in mine]


async def test_a_skipped_stop_stays_behind_once_it_is_acknowledged(bench: Bench) -> None:
    """On this phone, on a new one of his, and by its sequence; a second skip goes behind that."""
    phone, made, (first, second, third, last) = await _on_the_road(bench)
    for stop, order in (
        (first, [second, third, last, first]),
        (third, [second, last, first, third]),
        (third, [second, last, first, third]),
    ):
        phone.skip(stop, "nobody in sight")
        assert _shown(phone) == order
        (receipt,) = (await phone.sync()).receipts
        assert (receipt.outcome, _shown(phone)) == ("applied", order)
    other = await _phone(bench, made, "other")
    assert _shown(other) == order
    places = [stop.sequence for stop in other.stops()]
    assert places == sorted(set(places))


async def test_several_skips_of_one_call_keep_their_order(bench: Bench) -> None:
    """As the phone shows them before the server has heard of any."""
    phone, made, stops = await _on_the_road(bench)
    for stop in (*stops[:3], stops[0]):
        phone.skip(stop)
    order = [stops[3], stops[1], stops[2], stops[0]]
    assert _shown(phone) == order
    assert {receipt.outcome for receipt in (await phone.sync()).receipts} == {"applied"}
    assert _shown(phone) == order
    assert _shown(await _phone(bench, made, "other")) == order


async def test_the_log_says_which_order_the_skip_made(bench: Bench) -> None:
    """An entry of the stop with its new place, one of the route; the last one stays where it is."""
    phone, _, stops = await _on_the_road(bench)
    moved, stays = phone.skip(stops[0]), phone.skip(stops[0])
    await phone.sync()
    assert await _entries(bench, f"mutation:{moved.id}") == [
        ("stop", "stop.skipped", {"sequence": [1, 5]}),
        ("route", "route.resequenced", {}),
    ]
    assert await _entries(bench, f"mutation:{stays.id}") == [("stop", "stop.skipped", {})]


async def test_a_later_order_of_the_office_wins(bench: Bench) -> None:
    """Before the skip was heard it is rejected; after that it simply holds."""
    phone, made, stops = await _on_the_road(bench)
    phone.skip(stops[0])
    asked = [UUID(stop) for stop in reversed(stops)]
    async with bench.db.begin() as tx:
        await edits.resequence(tx, SYSTEM, made.route, asked)
    (receipt,) = (await phone.sync()).receipts
    assert (receipt.outcome, receipt.code) == ("rejected", "plan_newer")
    assert _shown(phone) == stops[::-1]
    phone.skip(stops[3])
    await phone.sync()
    assert _shown(phone) == [stops[2], stops[1], stops[0], stops[3]]
    async with bench.db.begin() as tx:
        await edits.resequence(tx, SYSTEM, made.route, asked)
    await phone.sync()
    assert _shown(phone) == stops[::-1]


async def test_a_wish_after_a_skip_rules(bench: Bench) -> None:
    """The order he asks for himself later is the one that holds."""
    phone, made, stops = await _on_the_road(bench)
    phone.skip(stops[0])
    phone.resequence(str(made.route), stops)
    assert [receipt.outcome for receipt in (await phone.sync()).receipts] == ["applied"] * 2
    assert _shown(phone) == stops


async def test_a_visit_that_is_over_is_not_moved(bench: Bench) -> None:
    """Another phone of his closed it meanwhile: the wish is kept and moves nothing."""
    phone, made, stops = await _on_the_road(bench)
    other = await _phone(bench, made, "other")
    other.fail(stops[0], "not_home")
    await other.sync()
    phone.skip(stops[0])
    (receipt,) = (await phone.sync()).receipts
    assert (receipt.outcome, _shown(phone)) == ("applied", stops)


async def test_two_phones_and_the_office_never_wait_for_each_other(bench: Bench) -> None:
    """All at once, many times over: every skip is answered, and places stay apart."""
    phone, made, stops = await _on_the_road(bench)
    other = await _phone(bench, made, "other")
    deadlocks: list[str] = []

    def watch(context: object) -> None:
        deadlocks.append(str(context))

    event.listen(Engine, "handle_error", watch)
    try:
        for turn in range(6):
            for stop in stops:
                phone.skip(stop)
            for stop in reversed(stops):
                other.skip(stop)
            await asyncio.gather(phone.sync(), other.sync(), _resequence(bench, made, turn))
    finally:
        event.remove(Engine, "handle_error", watch)
    assert not deadlocks
    assert (phone.pending, other.pending) == (0, 0)
    async with bench.db.snapshot() as tx:
        query = select(col(Stop.sequence)).where(col(Stop.route_id) == made.route)
        places = list(await tx.scalars(query))
    assert len(set(places)) == len(places)


async def _resequence(bench: Bench, made: Round, turn: int) -> None:
    order = list(made.stops.values())
    order = order[turn % 4 :] + order[: turn % 4]
    async with bench.db.begin() as tx:
        await edits.resequence(tx, SYSTEM, made.route, order)
