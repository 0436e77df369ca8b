"""A driver mends his own word: what somebody else said, or decided, stands as if he had never said
the wrong thing.

``office.py`` says who is there. The driver speaks of the economy stop, whose window for corrections
is a minute.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.dispatch.override import Asked, override_stop
from backend.domain.people import SYSTEM, Role
from backend.domain.stop import StopState
from backend.identity.people import add_person
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.consignments import Consignment
from backend.tables.follow_ups import FollowUp
from backend.tables.inbox import InboxItem
from backend.tables.stops import Stop
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import a_second_phone
from tests.sync.office import (
    Ground,
    Phone,
    cancelled,
    open_ground,
    reassigned,
    reassigned_arrived,
    reassigned_delivered,
    reassigned_failed,
)

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
DELIVERED: Json = {"method": "handed_over", "parcels": []}
NOT_HOME: Json = {"reason": "not_home"}


@pytest.fixture
async def ground(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Ground]:
    """An office, a driver and a colleague."""
    async with open_ground(db, settings, clock) as opened:
        yield opened


def delivers(phone: Phone, **more: object) -> Json:
    """Say that the goods changed hands."""
    return phone.says("stop.delivered", {**DELIVERED, **more}, "economy")


def fails(phone: Phone) -> Json:
    """Say that nobody was there."""
    return phone.says("stop.failed", NOT_HOME, "economy")


def mends(phone: Phone, said: Json, kind: str = "stop.failed", body: Json | None = None) -> Json:
    """Say that an earlier word should have been another."""
    becomes = {"kind": kind, "body": body or (NOT_HOME if kind == "stop.failed" else DELIVERED)}
    corrects = {"corrects": said["id"], "reason": "pressed the wrong button", "becomes": becomes}
    return phone.says("stop.corrected", corrects, "economy")


async def told(phone: Phone, *said: Json) -> list[tuple[str, str]]:
    """Send words; return what became of each, and the state of its stop then."""
    receipts = (await phone.call(*said))["receipts"]
    return [(receipt["outcome"], receipt["stop"]["state"]) for receipt in receipts]


async def follow_ups(ground: Ground) -> set[tuple[str, str]]:
    """Return what is, or was, to be done."""
    async with ground.db.snapshot() as tx:
        stop = ground.driver.round.stops["economy"]
        query = select(col(FollowUp.kind), col(FollowUp.state)).where(col(FollowUp.stop_id) == stop)
        rows = await tx.execute(query)
        return {(kind, state) for kind, state in rows}


async def consignment(ground: Ground) -> str:
    """Return what became of the goods."""
    async with ground.db.snapshot() as tx:
        id_ = ground.driver.round.consignments["economy"]
        return (await tx.get_one(Consignment, id_)).state


async def asked_about(ground: Ground, said: Json) -> list[str]:
    """Return the kinds of question that a mutation opened."""
    async with ground.db.snapshot() as tx:
        query = select(col(InboxItem.kind)).where(col(InboxItem.mutation_id) == UUID(said["id"]))
        return list(await tx.scalars(query))


async def test_another_drivers_delivery_stands(ground: Ground) -> None:
    """What was kept beside a colleague's delivery is taken back: his delivery is as it was."""
    await reassigned_delivered(ground)
    mine = delivers(ground.driver)
    assert await told(ground.driver, mine) == [("conflict", "delivered")]
    before = await ground.state("economy")
    assert await told(ground.driver, mends(ground.driver, mine)) == [("applied", "delivered")]
    after = await ground.state("economy")
    assert (after.closed_by, after.method, after.proof, after.manifest_driver_id) == (
        before.closed_by,
        before.method,
        before.proof,
        before.manifest_driver_id,
    )
    assert await consignment(ground) == "delivered"
    assert await follow_ups(ground) == {("duplicate_delivery", "done")}


async def test_a_delivery_kept_beside_counts_once_it_is_the_only_one(ground: Ground) -> None:
    """The colleague delivered second; the first delivery is taken back, so his ended the visit."""
    await reassigned(ground)
    mine = delivers(ground.driver)
    assert await told(ground.driver, mine) == [("conflict", "delivered")]
    theirs = delivers(ground.colleague, method="neighbour")
    assert await told(ground.colleague, theirs) == [("conflict", "delivered")]
    assert (await ground.state("economy")).method == "handed_over"
    assert await told(ground.driver, mends(ground.driver, mine)) == [("applied", "delivered")]
    stop = await ground.state("economy")
    assert (stop.method, await consignment(ground)) == ("neighbour", "delivered")
    assert {state for _, state in await follow_ups(ground)} == {"done"}
    assert await told(ground.colleague, mends(ground.colleague, theirs)) == [("applied", "failed")]


async def test_two_phones_of_one_driver_do_not_undo_each_other(ground: Ground) -> None:
    """The failure that one told is mended there; what the other delivered is delivered."""
    first = ground.driver
    second = Phone(
        first.client, ground.keys, ground.clock, await a_second_phone(ground.db, first.round)
    )
    assert await told(first, delivers(first)) == [("applied", "delivered")]
    failed = fails(second)
    assert await told(second, failed) == [("conflict", "delivered")]
    mended = mends(second, failed, body={"reason": "closed"})
    assert await told(second, mended) == [("applied", "delivered")]


async def test_who_told_the_same_twice_mends_it_by_mending_either(ground: Ground) -> None:
    """A thumb that slipped twice need not be mended twice."""
    once, twice = delivers(ground.driver), delivers(ground.driver)
    mended = mends(ground.driver, twice)
    assert await told(ground.driver, once, twice, mended) == [
        ("applied", "delivered"),
        ("recorded", "delivered"),
        ("applied", "failed"),
    ]


@pytest.mark.parametrize(("there", "state"), [(False, "released"), (True, "arrived")])
async def test_the_stop_is_before_the_driver_it_was_given_to(
    ground: Ground, state: str, *, there: bool
) -> None:
    """Nothing was delivered, so he goes there as he was to do; a person looks."""
    await (reassigned_arrived if there else reassigned)(ground)
    mine = delivers(ground.driver)
    assert await told(ground.driver, mine) == [("conflict", "delivered")]
    mended = mends(ground.driver, mine)
    assert await told(ground.driver, mended) == [("conflict", state)]
    assert await asked_about(ground, mended) == ["conflict"]
    stop = await ground.state("economy")
    assert stop.manifest_driver_id == ground.colleague.round.driver
    assert (stop.proof, stop.closed_by, stop.closed_at) == ("none", None, None)
    assert await consignment(ground) == "released"
    assert {state for _, state in await follow_ups(ground)} == {"done"}
    seen = await ground.colleague.call(pull=True)
    assert str(stop.id) in {put["id"] for put in seen["puts"] if put["type"] == "stop"}
    assert await told(ground.colleague, delivers(ground.colleague)) == [("applied", "delivered")]


async def test_who_was_there_and_failed_too_need_not_go_again(ground: Ground) -> None:
    """Both took their deliveries back: the visit failed."""
    await reassigned(ground)
    mine, theirs = delivers(ground.driver), delivers(ground.colleague)
    await told(ground.driver, mine)
    await told(ground.colleague, theirs)
    assert await told(ground.colleague, mends(ground.colleague, theirs)) == [
        ("applied", "delivered")
    ]
    assert await told(ground.driver, mends(ground.driver, mine)) == [("applied", "failed")]
    assert await consignment(ground) == "needs_attention"


async def test_a_failure_mended_into_a_delivery_is_a_fact_like_any(ground: Ground) -> None:
    """It was no end of the visit, which is the colleague's; the delivery that it was ends it."""
    await reassigned(ground)
    failed = fails(ground.driver)
    assert await told(ground.driver, failed) == [("recorded", "released")]
    mended = mends(ground.driver, failed, "stop.delivered")
    assert await told(ground.driver, mended) == [("conflict", "delivered")]
    assert await asked_about(ground, mended) == ["conflict"]
    assert await follow_ups(ground) == {("re_dispatch", "open")}


async def test_a_failure_beside_a_colleagues_stays_beside(ground: Ground) -> None:
    """Another reason for what ended nothing changes nothing."""
    await reassigned_failed(ground)
    failed = fails(ground.driver)
    mended = mends(ground.driver, failed, body={"reason": "closed"})
    assert await told(ground.driver, failed, mended) == [
        ("recorded", "failed"),
        ("applied", "failed"),
    ]
    assert (await ground.state("economy")).reason == "not_home"


async def test_a_cancel_holds_however_often_he_changes_his_mind(ground: Ground) -> None:
    """Each delivery over it has goods to fetch back, each failure none."""
    await cancelled(ground)
    first = delivers(ground.driver)
    second = mends(ground.driver, first)
    third = mends(ground.driver, second, "stop.delivered")
    fourth = mends(ground.driver, third)
    assert await told(ground.driver, first) == [("conflict", "delivered")]
    assert await follow_ups(ground) == {("return", "open")}
    assert await told(ground.driver, second) == [("applied", "cancelled")]
    assert await follow_ups(ground) == {("return", "done")}
    assert await told(ground.driver, third) == [("conflict", "delivered")]
    assert await follow_ups(ground) == {("return", "done"), ("return", "open")}
    assert await told(ground.driver, fourth) == [("applied", "cancelled")]
    assert await follow_ups(ground) == {("return", "done")}
    assert await consignment(ground) == "cancelled"


async def waive(ground: Ground) -> None:
    """A supervisor does without proof of the delivery."""
    async with ground.db.begin() as tx:
        person = await add_person(tx, "sup@x.org", Role.SUPERVISOR, [], "x")
    asked = Asked(
        StopState.DELIVERED, "waived", "customer_confirmed", "the customer rang us", str(uuid4())
    )
    async with ground.db.begin() as tx:
        await override_stop(tx, SYSTEM, person, ground.driver.round.stops["economy"], asked)


async def test_a_waiver_holds_for_the_end_it_was_given_for(ground: Ground) -> None:
    """Where he left it is a detail; that nothing was delivered is for a person to look at."""
    first = delivers(ground.driver)
    await told(ground.driver, first)
    await waive(ground)
    detail = mends(ground.driver, first, "stop.delivered", {**DELIVERED, "method": "neighbour"})
    assert await told(ground.driver, detail) == [("applied", "delivered")]
    stop = await ground.state("economy")
    assert (stop.proof, stop.method, stop.evidence_due_at) == ("waived", "neighbour", None)
    mended = mends(ground.driver, first)
    assert await told(ground.driver, mended) == [("conflict", "failed")]
    assert await asked_about(ground, mended) == ["conflict"]
    assert (await ground.state("economy")).proof != "waived"


async def test_the_window_is_that_of_the_word_he_mends(ground: Ground) -> None:
    """To mend once more does not give more time for the first word."""
    stop: Stop = await ground.state("economy")
    assert stop.state == "released"
    first = delivers(ground.driver)
    await told(ground.driver, first)
    ground.clock.advance(seconds=40)
    second = mends(ground.driver, first)
    assert await told(ground.driver, second) == [("applied", "failed")]
    ground.clock.advance(seconds=40)
    late = mends(ground.driver, first, "stop.delivered")
    assert await told(ground.driver, late) == [("recorded", "failed")]
    assert await asked_about(ground, late) == ["correction"]
    in_time = mends(ground.driver, second, "stop.delivered")
    assert await told(ground.driver, in_time) == [("applied", "delivered")]


async def test_nobody_mends_what_a_colleague_said(ground: Ground) -> None:
    """His word is his own."""
    await reassigned(ground)
    theirs = delivers(ground.colleague)
    assert await told(ground.colleague, theirs) == [("applied", "delivered")]
    assert await told(ground.driver, mends(ground.driver, theirs)) == [("rejected", "delivered")]
