"""Overrides: reasons, notes, keys, second persons, and what follows for the consignment."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.dispatch import override
from backend.dispatch.override import Asked
from backend.domain.people import Actor, ActorType, Role
from backend.domain.stop import StopState
from backend.errors import NotFound
from backend.identity.people import add_person
from backend.ids import new_id
from backend.store.database import Database
from backend.tables.consignments import Consignment
from backend.tables.inbox import InboxItem
from backend.tables.stops import Override, OverrideState, Stop, StopEvent
from tests.fixtures.visits import a_round

pytestmark = pytest.mark.anyio

NOTE = "The customer called and confirmed it"


def asked(to: str = "delivered", **changes: object) -> Asked:
    """A well-formed wish."""
    reason = {
        "delivered": "customer_confirmed",
        "failed": "address_unreachable",
        "cancelled": "customer_cancelled",
        "released": "try_again",
    }[to]
    wish = Asked(StopState(to), None, reason, NOTE, key=new_id().hex)
    return replace(wish, **changes)  # type: ignore[arg-type]


async def somebody(db: Database) -> tuple[Actor, UUID]:
    """Add a supervisor."""
    async with db.begin() as tx:
        id_ = await add_person(tx, f"{new_id().hex}@example.org", Role.SUPERVISOR, [], "x")
    return Actor(ActorType.PERSON, str(id_)), id_


async def make(
    db: Database, who: tuple[Actor, UUID], stop: UUID, wish: Asked
) -> override.Overridden:
    """Override in a transaction of its own."""
    async with db.begin() as tx:
        return await override.override_stop(tx, *who, stop, wish)


async def stop_of(db: Database, stop_id: UUID) -> Stop:
    """Return a stop as it is now."""
    async with db.snapshot() as tx:
        return await tx.get_one(Stop, stop_id)


async def goods_of(db: Database, stop: Stop) -> Consignment:
    """Return a stop's consignment as it is now."""
    async with db.snapshot() as tx:
        return await tx.get_one(Consignment, stop.consignment_id)


async def test_an_override_delivers_with_a_waived_proof(db: Database) -> None:
    """Stop, proof, timeline and consignment say so, in one transaction."""
    made, who = await a_round(db, "standard"), await somebody(db)
    done = await make(db, who, made.stops["standard"], asked(proof="waived"))
    assert done.state is OverrideState.DONE
    stop = await stop_of(db, made.stops["standard"])
    assert (stop.state, stop.proof) == ("delivered", "waived")
    assert stop.closed_at is not None
    assert (await goods_of(db, stop)).state == "delivered"
    async with db.snapshot() as tx:
        event = await tx.get_one(StopEvent, stop.closed_by)
    assert (event.kind, event.source) == ("stop.overridden", "person")
    assert NOTE not in str(event.body)


@pytest.mark.parametrize(
    ("segment", "state"), [("standard", "ready"), ("economy", "needs_attention")]
)
async def test_a_failed_attempt_is_tried_again_or_falls_back(
    db: Database, segment: str, state: str
) -> None:
    """Standard has a second attempt on the next day, economy has none."""
    made, who = await a_round(db, segment), await somebody(db)
    stop = await stop_of(db, made.stops[segment])
    before = await goods_of(db, stop)
    await make(db, who, stop.id, asked("failed"))
    after = await goods_of(db, stop)
    assert (after.state, after.attempts) == (state, 1)
    assert ((after.service_date - before.service_date).days == 1) == (state == "ready")


async def test_a_cancelled_stop_cancels_its_consignment(db: Database) -> None:
    """Nothing more is tried, and no proof is expected."""
    made, who = await a_round(db, "business"), await somebody(db)
    await make(db, who, made.stops["business"], asked("cancelled"))
    stop = await stop_of(db, made.stops["business"])
    assert (stop.state, stop.proof) == ("cancelled", "none")
    assert (await goods_of(db, stop)).state == "cancelled"


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("delivered", "customer_confirmed"),
        ("failed", "correction"),
        ("cancelled", "correction"),
        ("released", "correction"),
        ("released", "try_again"),
    ],
)
async def test_a_final_stop_is_not_reopened(db: Database, to: str, reason: str) -> None:
    """A failed stop goes nowhere; its consignment gets a new one."""
    made, who = await a_round(db, "standard"), await somebody(db)
    stop = made.stops["standard"]
    await make(db, who, stop, asked("failed"))
    with pytest.raises(override.StopFinal):
        await make(db, who, stop, asked(to, reason=reason))
    assert (await stop_of(db, stop)).state == "failed"


async def test_a_correction_amends_how_a_visit_ended(db: Database) -> None:
    """There and back: the consignment follows, the attempt counts once, the day moves once."""
    made, who = await a_round(db, "standard"), await somebody(db)
    stop = await stop_of(db, made.stops["standard"])
    before = await goods_of(db, stop)
    ends = ("failed", "delivered", "failed")
    for end in ends:
        await make(db, who, stop.id, asked(end, reason="correction"))
    after = await goods_of(db, stop)
    assert (await stop_of(db, stop.id)).state == "failed"
    assert (after.state, after.attempts) == ("ready", 1)
    assert (after.service_date - before.service_date).days == 1


async def test_the_proof_of_a_final_stop_can_be_waived_once(db: Database) -> None:
    """The stop stays delivered; a proof waived already is not waived again."""
    made, who = await a_round(db, "standard"), await somebody(db)
    stop = made.stops["standard"]
    await make(db, who, stop, asked())
    assert (await stop_of(db, stop)).proof == "awaited"
    await make(db, who, stop, asked(proof="waived", reason="evidence_elsewhere"))
    assert (await stop_of(db, stop)).proof == "waived"
    with pytest.raises(override.StopFinal):
        await make(db, who, stop, asked(proof="waived", reason="evidence_elsewhere"))


async def test_a_released_stop_cannot_be_released(db: Database) -> None:
    """Only an arrival is taken back."""
    made, who = await a_round(db, "standard"), await somebody(db)
    with pytest.raises(override.MoveNotAllowed):
        await make(db, who, made.stops["standard"], asked("released"))


@pytest.mark.parametrize(
    ("reason", "note", "pointer"),
    [
        ("because", NOTE, "/reason"),
        ("customer_cancelled", NOTE, "/reason"),
        ("correction", "   short    ", "/note"),
    ],
)
async def test_reason_and_note_must_justify_it(
    db: Database, reason: str, note: str, pointer: str
) -> None:
    """An unknown reason, one for another end, and an empty note are pointed at."""
    made, who = await a_round(db, "standard"), await somebody(db)
    with pytest.raises(override.OverrideInvalid) as refused:
        await make(db, who, made.stops["standard"], asked(reason=reason, note=note))
    assert [fault.pointer for fault in refused.value.errors] == [pointer]


async def test_the_same_key_gives_the_same_answer(db: Database) -> None:
    """A repeat changes nothing; the same key with other content is refused."""
    made, who = await a_round(db, "standard"), await somebody(db)
    stop, wish = made.stops["standard"], asked()
    first = await make(db, who, stop, wish)
    version = (await stop_of(db, stop)).version
    again = await make(db, who, stop, wish)
    assert (again.id, again.state) == (first.id, first.state)
    assert (await stop_of(db, stop)).version == version
    with pytest.raises(override.IdempotencyConflict):
        await make(db, who, stop, replace(wish, note="Something else entirely"))


async def test_a_premium_stop_waits_for_another_person(db: Database) -> None:
    """Nothing moves until somebody else confirms; the inbox asks for it meanwhile."""
    made, one, other = await a_round(db, "premium"), await somebody(db), await somebody(db)
    stop = made.stops["premium"]
    waits = await make(db, one, stop, asked(proof="waived"))
    assert waits.state is OverrideState.AWAITING_SECOND
    assert (await stop_of(db, stop)).state == "released"
    with pytest.raises(override.SecondPersonRequired):
        async with db.begin() as tx:
            await override.confirm(tx, *one, waits.id)
    for _ in range(2):
        async with db.begin() as tx:
            assert (await override.confirm(tx, *other, waits.id)).state is OverrideState.DONE
    done = await stop_of(db, stop)
    assert (done.state, done.proof, done.version) == ("delivered", "waived", 2)
    async with db.snapshot() as tx:
        row = await tx.get_one(Override, waits.id)
        query = select(InboxItem).where(col(InboxItem.subject) == f"override:{waits.id}")
        item = (await tx.execute(query)).scalar_one()
    assert (row.confirmed_by, item.state) == (other[1], "resolved")


async def test_a_confirmation_comes_too_late_for_a_stop_that_moved_on(db: Database) -> None:
    """What happened meanwhile wins over what was asked for."""
    made, one, other = await a_round(db, "premium"), await somebody(db), await somebody(db)
    stop = made.stops["premium"]
    first, second = await make(db, one, stop, asked()), await make(db, one, stop, asked("failed"))
    async with db.begin() as tx:
        await override.confirm(tx, *other, second.id)
    with pytest.raises(override.StopFinal):
        async with db.begin() as tx:
            await override.confirm(tx, *other, first.id)


async def test_an_unknown_stop_or_override_is_not_found(db: Database) -> None:
    """Nobody has it."""
    who = await somebody(db)
    with pytest.raises(NotFound):
        await make(db, who, new_id(), asked())
    with pytest.raises(NotFound):
        async with db.begin() as tx:
            await override.confirm(tx, *who, new_id())


async def test_the_same_call_twice_at_once_is_one_override(db: Database) -> None:
    """Ten copies of one call, and a colleague's at the same time: one change, one refusal."""
    made, one, other = await a_round(db, "standard"), await somebody(db), await somebody(db)
    stop, wish, rival = made.stops["standard"], asked(), asked("failed")
    answers = await asyncio.gather(
        *(make(db, one, stop, wish) for _ in range(10)),
        make(db, other, stop, rival),
        return_exceptions=True,
    )
    ids = {answer.id for answer in answers if isinstance(answer, override.Overridden)}
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(ids) == 1
    assert {type(error) for error in refused} == {override.StopFinal}
    assert (await stop_of(db, stop)).version == 2
