"""What is held is judged again by itself, in order; a person hears of it after a day."""

from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.identity.devices import revoke
from backend.keys import load_keys
from backend.store.database import moment
from backend.store.dispatch import assign
from backend.tables.devices import DeviceJournal
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.stops import Stop, StopEvent
from handset import Handset
from handset.journal import Kept
from sync.held import ask_about_held, judge_held, judge_learnt
from tests.fixtures.visits import Round, a_round
from tests.handset.clocks import PhoneClock
from tests.handset.conftest import Bench

pytestmark = pytest.mark.anyio


async def _on_the_road(bench: Bench) -> tuple[Handset, Round, str]:
    """A phone with its route, and a stop that is another driver's."""
    keys = load_keys(bench.settings.data, log_name=bench.settings.log_name)
    made = await a_round(bench.db, "economy", keys=keys)
    other = await a_round(bench.db, "economy", keys=keys)
    phone = bench.phone(clock=PhoneClock(bench.clock))
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    return phone, made, str(other.stops["economy"])


async def _give(bench: Bench, made: Round, stop_id: str) -> None:
    """Hand another driver's stop to this one."""
    change = {"route_id": made.route, "manifest_driver_id": made.driver, "sequence": 9}
    async with bench.db.begin() as tx:
        await record(tx, SYSTEM, Event("stop.reassigned", Stop, UUID(stop_id), change))
        await assign(tx, made.driver, [UUID(stop_id)], moment(tx))


async def _answers(bench: Bench, *acts: Kept) -> list[tuple[str, str | None]]:
    async with bench.db.snapshot() as tx:
        ids = [UUID(act.id) for act in acts]
        query = select(Mutation).where(col(Mutation.id).in_(ids)).order_by(col(Mutation.n))
        return [(row.outcome, row.code) for row in await tx.scalars(query)]


async def _questions(bench: Bench, phone: Handset) -> list[tuple[str, str]]:
    device_id = UUID(phone.session.device_id)
    async with bench.db.snapshot() as tx:
        query = select(InboxItem).where(col(InboxItem.device_id) == device_id)
        return [(item.kind, item.state) for item in await tx.scalars(query)]


async def _holds(bench: Bench, phone: Handset) -> bool:
    async with bench.db.snapshot() as tx:
        key = UUID(phone.session.device_id)
        return (await tx.get_one(DeviceJournal, key)).holds


def _visit(phone: Handset, stop: str) -> list[Kept]:
    return [
        phone.arrive(stop),
        phone.deliver(stop, recipient=("Ada", "self")),
        phone.note(stop, "left with Ada"),
    ]


async def test_held_ones_are_judged_in_order(bench: Bench) -> None:
    """A visit told before its stop was the driver's: arrival, delivery, note, each at its time."""
    phone, made, strange = await _on_the_road(bench)
    acts = _visit(phone, strange)
    told = (await phone.sync()).receipts
    assert [(r.outcome, r.code) for r in told] == [("held", "unknown_stop")] * 3
    assert (phone.pending, await _holds(bench, phone)) == (0, True)
    happened = bench.clock.now()
    bench.clock.advance(hours=2)
    await _give(bench, made, strange)
    assert await judge_held(bench.db, load_keys(bench.settings.data)) == 3
    assert await _answers(bench, *acts) == [("applied", None)] * 3
    async with bench.db.snapshot() as tx:
        stop = await tx.get_one(Stop, UUID(strange))
        query = select(StopEvent).where(col(StopEvent.stop_id) == UUID(strange))
        events = list(await tx.scalars(query.order_by(col(StopEvent.version))))
    assert (stop.state, stop.closed_at) == ("delivered", happened)
    mine = [event for event in events if event.device_id is not None]
    assert [event.kind for event in mine] == ["stop.arrived", "stop.delivered", "stop.noted"]
    assert {event.happened for event in mine} == {happened}
    assert await _holds(bench, phone) is False


async def test_what_came_earlier_is_judged_before_what_comes_now(bench: Bench) -> None:
    """The phone is heard again before the timetable comes by: the old ones go first."""
    phone, made, strange = await _on_the_road(bench)
    arrived = phone.arrive(strange)
    await phone.sync()
    await _give(bench, made, strange)
    delivered = phone.deliver(strange, recipient=("Ada", "self"))
    assert [r.outcome for r in (await phone.sync()).receipts] == ["applied"]
    assert await _answers(bench, arrived, delivered) == [("applied", None)] * 2
    async with bench.db.snapshot() as tx:
        query = select(col(StopEvent.kind)).where(
            col(StopEvent.stop_id) == UUID(strange), col(StopEvent.device_id).is_not(None)
        )
        kinds = list(await tx.scalars(query.order_by(col(StopEvent.version))))
    assert kinds == ["stop.arrived", "stop.delivered"]
    assert await judge_held(bench.db, load_keys(bench.settings.data)) == 0


async def test_a_person_hears_of_it_after_a_day_and_no_more_once_it_is_judged(
    bench: Bench,
) -> None:
    """One question for each, not before, not twice; it closes by itself."""
    phone, made, strange = await _on_the_road(bench)
    phone.arrive(strange)
    await phone.sync()
    for hours, expected in ((0, 0), (23, 0), (1, 1), (24, 0)):
        bench.clock.advance(hours=hours)
        assert await ask_about_held(bench.db) == expected
    assert await _questions(bench, phone) == [("unknown_stop", "open")]
    await _give(bench, made, strange)
    await judge_held(bench.db, load_keys(bench.settings.data))
    assert await _questions(bench, phone) == [("unknown_stop", "resolved")]
    assert await ask_about_held(bench.db) == 0


async def test_one_question_however_many_phones_told_it(bench: Bench) -> None:
    """A phone enrolled anew repeats what is held: it is held twice and asked about once."""
    phone, made, strange = await _on_the_road(bench)
    act = phone.arrive(strange)
    await phone.sync()
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    assert await _answers(bench, act) == [("held", "unknown_stop")] * 2
    bench.clock.advance(days=2)
    assert await ask_about_held(bench.db) + await ask_about_held(bench.db) >= 1
    async with bench.db.snapshot() as tx:
        query = select(InboxItem).where(col(InboxItem.mutation_id) == UUID(act.id))
        assert len(list(await tx.scalars(query))) == 1
    await _give(bench, made, strange)
    for _ in range(2):
        await judge_held(bench.db, load_keys(bench.settings.data))
    assert await _answers(bench, act) == [("applied", None)] * 2


async def test_a_kind_of_tomorrow_is_dated_today(bench: Bench) -> None:
    """What this release does not know is judged by the next, at the time it happened."""
    phone, made, _ = await _on_the_road(bench)
    stop = str(made.stops["economy"])
    act = phone.arrive(stop)
    happened = bench.clock.now()
    bench.clock.advance(minutes=30)
    await phone.sync()
    async with bench.db.begin() as tx:  # as a release without stop.arrived had kept it
        dated = {"happened": happened.isoformat(), "uncertainty_ms": 7, "basis": "monotonic"}
        unheard = {"outcome": "held", "code": "unknown_kind", "kind": None, "dated": dated}
        row = col(Mutation.id) == UUID(act.id)
        await tx.execute(update(Mutation).where(row).values(**unheard))
        mine = col(DeviceJournal.device_id) == UUID(phone.session.device_id)
        await tx.execute(update(DeviceJournal).where(mine).values(holds=True))
    bench.clock.advance(days=3)
    assert await judge_learnt(bench.db, load_keys(bench.settings.data)) == 1
    async with bench.db.snapshot() as tx:
        query = select(StopEvent).where(col(StopEvent.mutation_id) == UUID(act.id))
        events = list(await tx.scalars(query.order_by(col(StopEvent.version))))
    assert (events[-1].happened, events[-1].uncertainty_ms) == (happened, 7)


async def test_a_kind_nobody_knows_yet_waits_and_is_shown(bench: Bench) -> None:
    """It keeps its time, blocks nothing, and a person hears of it after a day."""
    phone, made, _ = await _on_the_road(bench)
    stop = str(made.stops["economy"])
    odd = phone.record("stop.levitated", {}, stop_id=stop)
    phone.arrive(stop)
    told = (await phone.sync()).receipts
    assert [(r.outcome, r.code) for r in told] == [("held", "unknown_kind"), ("applied", None)]
    async with bench.db.snapshot() as tx:
        query = select(col(Mutation.dated)).where(col(Mutation.id) == UUID(odd.id))
        dated = (await tx.scalars(query)).one()
    assert dated is not None
    assert (dated["happened"], dated["basis"]) == (bench.clock.now().isoformat(), "monotonic")
    assert await _questions(bench, phone) == []
    bench.clock.advance(hours=24)
    assert await ask_about_held(bench.db) >= 1
    assert await _questions(bench, phone) == [("quarantined", "open")]


async def test_a_repeat_of_what_is_held_gets_the_new_answer_at_once(bench: Bench) -> None:
    """Sent again after its stop has come: judged by that very call, and answered as a repeat."""
    phone, made, strange = await _on_the_road(bench)
    act = phone.arrive(strange)
    await phone.sync()
    await _give(bench, made, strange)
    (receipt,) = (await phone.syncer.push([act])).receipts
    assert (receipt.outcome, receipt.duplicate) == ("applied", True)


async def test_what_was_held_before_a_revocation_still_counts(bench: Bench) -> None:
    """The driver did it and said it in time; only what comes afterwards is set aside."""
    phone, made, strange = await _on_the_road(bench)
    act = phone.arrive(strange)
    await phone.sync()
    async with bench.db.begin() as tx:
        await revoke(tx, SYSTEM, UUID(phone.session.device_id))
    await _give(bench, made, strange)
    assert await judge_held(bench.db, load_keys(bench.settings.data)) == 1
    assert await _answers(bench, act) == [("applied", None)]
