"""Codes and QR tokens at a real door: guesses are counted for life, what is right is spent."""

from datetime import timedelta
from uuid import UUID

import anyio
import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.domain.people import SYSTEM
from backend.domain.stop import ProofState
from backend.ids import new_id
from backend.store import proofs, segments
from backend.store.database import Database, moment
from backend.tables.stops import Door, StopEvent
from pod.door import (
    Given,
    StopAlreadyClosed,
    customers_code,
    issue_door,
    manifest_commitment,
    try_door,
)
from pod.evidence import Check, DoorFacts
from pod.token import commitment, parse_qr
from pod.verdict import Verdict
from tests.fixtures.visits import KEYS, Round, a_round
from tests.pod.closing import close, delivered, proof, resettle

pytestmark = pytest.mark.anyio


async def door_of(db: Database, stop_id: UUID) -> Door:
    """Return a stop's door."""
    async with db.snapshot() as tx:
        door = await tx.get(Door, stop_id)
    assert door is not None
    return door


async def give(
    db: Database,
    made: Round,
    *,
    by: UUID | None = None,
    after: float = 0,
    code: str | None = None,
    qr: str | None = None,
) -> DoorFacts:
    """Give a code or a QR at the premium stop."""
    async with db.begin() as tx:
        stop = await proofs.lock_stop(tx, made.stops["premium"])
        assert stop is not None
        at = moment(tx) + timedelta(hours=after)
        return await try_door(tx, KEYS, stop, Given(by or new_id(), at, code, qr))


async def test_right_code_proves_and_is_spent(db: Database) -> None:
    """The six digits on the customer's page prove the delivery and are spent by it."""
    made = await a_round(db)
    code, _ = customers_code(KEYS, made.stops["premium"], 1)
    body = delivered(code=code, recipient={"name": "A. Poe", "relation": "self"})
    assert await close(db, made, "premium", body) == Verdict(ProofState.ACCEPTED)
    door = await door_of(db, made.stops["premium"])
    assert (door.wrong_tries, door.spent_means) == (0, "code")
    async with db.snapshot() as tx:
        query = select(col(StopEvent.body)).where(col(StopEvent.stop_id) == made.stops["premium"])
        assert code not in str(list(await tx.scalars(query)))


async def test_code_presented_after_the_delivery(db: Database) -> None:
    """A delivery without its code is awaited until the code is presented."""
    made = await a_round(db)
    body = delivered(recipient={"name": "A. Poe", "relation": "self"})
    verdict = await close(db, made, "premium", body)
    assert (verdict.state, set(verdict.codes)) == (ProofState.AWAITED, {"code_missing"})
    code, _ = customers_code(KEYS, made.stops["premium"], 1)
    assert (await give(db, made, code=code)).code is Check.RIGHT
    await resettle(db, made, "premium")
    assert await proof(db, made, "premium") == "accepted"


async def test_five_wrong_tries_lock_the_code_for_life(fresh_db: Database) -> None:
    """The fifth wrong one locks; then even the right one is not compared, the QR still is."""
    made = await a_round(fresh_db)
    code, qr = customers_code(KEYS, made.stops["premium"], 1)
    wrong = "000000" if code != "000000" else "111111"
    answers = [await give(fresh_db, made, code=wrong) for _ in range(6)]
    assert [(a.code, a.tries_left) for a in answers] == [
        *((Check.WRONG, left) for left in (4, 3, 2, 1)),
        (Check.LOCKED, 0),
        (Check.LOCKED, 0),
    ]
    assert (await give(fresh_db, made, code=code)).code is Check.LOCKED
    assert (await give(fresh_db, made, qr=qr)).proves


async def test_a_new_issue_keeps_the_count_and_kills_the_old(db: Database) -> None:
    """POST …/code: old code and token are wrong from then on, four wrong tries stay four."""
    made = await a_round(db)
    stop_id = made.stops["premium"]
    old, old_qr = customers_code(KEYS, stop_id, 1)
    wrong = "000000" if old != "000000" else "111111"
    for _ in range(3):
        await give(db, made, code=wrong)
    async with db.begin() as tx:
        stop = await proofs.lock_stop(tx, stop_id)
        assert stop is not None
        await issue_door(tx, SYSTEM, stop, await segments.policy(tx, "premium", 1))
        assert stop.door_issue == 2
    assert (await give(db, made, qr=old_qr)).token is Check.WRONG
    assert (await give(db, made, code=old)).tries_left == 1
    new, new_qr = customers_code(KEYS, stop_id, 2)
    assert new != old
    read = parse_qr(new_qr)
    assert read is not None
    assert manifest_commitment(KEYS, stop_id, 2) == commitment(stop_id, read[1])
    assert (await give(db, made, code=new)).proves


async def test_no_issue_for_a_closed_stop(db: Database) -> None:
    """Once the visit is over there is nothing to issue."""
    made = await a_round(db)
    await close(db, made, "premium", delivered())
    async with db.begin() as tx:
        stop = await proofs.lock_stop(tx, made.stops["premium"])
        assert stop is not None
        with pytest.raises(StopAlreadyClosed):
            await issue_door(tx, SYSTEM, stop, await segments.policy(tx, "premium", 1))


async def test_a_token_is_spent_once(db: Database) -> None:
    """The same QR again is spent, though the door stays proven; the same mutation may repeat."""
    made = await a_round(db)
    _, qr = customers_code(KEYS, made.stops["premium"], 1)
    mutation = new_id()
    assert (await give(db, made, by=mutation, qr=qr)).token is Check.RIGHT
    assert (await give(db, made, by=mutation, qr=qr)).token is Check.RIGHT
    again = await give(db, made, qr=qr)
    assert (again.token, again.proves) == (Check.SPENT, True)


async def test_anothers_token_is_wrong(db: Database) -> None:
    """A QR of another stop proves nothing here, and tokens are not counted."""
    made, other = await a_round(db), await a_round(db)
    _, qr = customers_code(KEYS, other.stops["premium"], 1)
    for text in (qr, "DS1:nonsense", ""):
        answer = await give(db, made, qr=text)
        assert (answer.token, answer.tries_left, answer.proves) == (Check.WRONG, 5, False)


async def test_expired_is_not_compared(db: Database) -> None:
    """After its time a code is expired whatever it is: no try is used up."""
    made = await a_round(db)
    code, qr = customers_code(KEYS, made.stops["premium"], 1)
    answer = await give(db, made, after=22, code=code, qr=qr)
    assert (answer.code, answer.token, answer.tries_left) == (Check.EXPIRED, Check.EXPIRED, 5)
    assert not answer.proves


async def test_no_issue_no_guess(db: Database) -> None:
    """At a stop without a code anything given is wrong, and nothing is counted."""
    made = await a_round(db)
    async with db.begin() as tx:
        stop = await proofs.lock_stop(tx, made.stops["economy"])
        assert stop is not None
        answer = await try_door(tx, KEYS, stop, Given(new_id(), moment(tx), code="123456"))
    assert (answer.code, answer.tries_left) == (Check.WRONG, 5)


async def test_never_a_sixth_guess_at_once(db: Database) -> None:
    """Twenty guesses at the same moment: exactly five are compared and counted."""
    made = await a_round(db)
    code, _ = customers_code(KEYS, made.stops["premium"], 1)
    wrong = "000000" if code != "000000" else "111111"
    answers: list[DoorFacts] = []

    async def guess() -> None:
        answers.append(await give(db, made, code=wrong))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(guess)
    assert (await door_of(db, made.stops["premium"])).wrong_tries == 5
    assert sum(answer.code is Check.WRONG for answer in answers) == 4
    assert sum(answer.code is Check.LOCKED for answer in answers) == 16


async def test_a_token_is_spent_by_one_of_many(db: Database) -> None:
    """Ten deliveries with the same QR at once: one spends it."""
    made = await a_round(db)
    _, qr = customers_code(KEYS, made.stops["premium"], 1)
    answers: list[DoorFacts] = []

    async def present() -> None:
        answers.append(await give(db, made, qr=qr))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(present)
    assert sum(answer.token is Check.RIGHT for answer in answers) == 1
    assert sum(answer.token is Check.SPENT for answer in answers) == 9
