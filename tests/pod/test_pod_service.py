"""Proofs in a real database: weighed when a visit closes, settled when more comes, for good."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import anyio
import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.audit.follow import Witness
from backend.audit.record import Event, record
from backend.domain.people import SYSTEM, Actor, ActorType
from backend.domain.stop import ProofState
from backend.ids import new_id
from backend.store import proofs, segments
from backend.store.database import Database, moment
from backend.tables.audit import AuditEntry
from backend.tables.evidence import Evidence as EvidenceRow
from backend.tables.evidence import EvidenceUpload
from backend.tables.inbox import InboxItem
from backend.tables.stops import Door, Stop, StopEvent
from pod.door import (
    Given,
    StopAlreadyClosed,
    customers_code,
    issue_door,
    known_door,
    manifest_commitment,
    try_door,
)
from pod.evidence import Check, DoorFacts, PhotoFacts, SignatureFacts
from pod.service import (
    claim_of,
    evidence_due,
    findings_to_wire,
    name_evidence,
    settle,
    settle_overdue,
    weigh,
    without_secrets,
)
from pod.token import commitment, parse_qr
from pod.verdict import Verdict
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import KEYS, PLACE, Round, a_round

pytestmark = pytest.mark.anyio
SHA = "ab" * 32
FIX = {"lat": PLACE[0], "lon": PLACE[1], "accuracy_m": 8, "mock": False}
PHOTO = PhotoFacts("JPEG", 800, 600, "0" * 16, 500.0, 120.0)
SIGNED = SignatureFacts("strokes", 200.0, 60.0, 40, 300.0, blank=False)


def driver(made: Round) -> Actor:
    """Return the driver as the log names him."""
    return Actor(ActorType.DRIVER, str(made.driver), str(made.device))


async def close(
    db: Database,
    made: Round,
    segment: str,
    body: dict[str, Any],
    *,
    kind: str = "stop.delivered",
    evidence: list[dict[str, Any]] | None = None,
) -> Verdict:
    """Close a stop the way a push does."""
    mutation = new_id()
    async with db.begin() as tx:
        stop = await proofs.lock_stop(tx, made.stops[segment])
        assert stop is not None
        given = Given(mutation, moment(tx), body.get("code"), body.get("door_token"))
        tried = given.code is not None or given.qr is not None
        door = await (try_door(tx, KEYS, stop, given) if tried else known_door(tx, stop))
        signed = body.get("signature", {}).get("sha256")
        await name_evidence(
            tx, stop.id, made.driver, mutation, evidence=evidence or [], signed=signed
        )
        claim = claim_of(kind, body, FIX)
        assert claim is not None
        policy = await segments.policy(tx, segment, 1)
        verdict = await weigh(tx, stop, claim, policy=policy, door=door)
        event = new_id()
        change = {
            "state": claim.outcome.value,
            "proof": verdict.state.value,
            "method": claim.method.value if claim.method else None,
            "closed_at": moment(tx),
            "closed_by": event,
            "evidence_due_at": evidence_due(policy, verdict, moment(tx)),
        }
        witness = Witness(
            id=event,
            kind=kind,
            mutation_id=mutation,
            policy_version=1,
            body=without_secrets(body),
            fix=FIX,
            findings=tuple(findings_to_wire(verdict.findings)),
        )
        await record(tx, driver(made), Event(kind, Stop, stop.id, change, witness=witness))
    return verdict


def photo(sha256: str = SHA, kind: str = "photo") -> dict[str, Any]:
    """Return a file as an event names it."""
    return {"sha256": sha256, "kind": kind, "size": 9, "media_type": "image/jpeg"}


def delivered(**more: object) -> dict[str, Any]:
    """Return the body of a delivery into somebody's hands."""
    return {"method": "handed_over", "parcels": [], **more}


async def arrive(
    db: Database, made: Round, facts: PhotoFacts | SignatureFacts, sha256: str = SHA
) -> None:
    """Let bytes verify the way an upload does."""
    async with db.begin() as tx:
        change = {
            "sha256": sha256,
            "size": 9,
            "media_type": "image/jpeg",
            "verified_at": moment(tx),
            "driver_id": made.driver,
            "kind": "photo" if isinstance(facts, PhotoFacts) else "signature",
            "facts": asdict(facts),
        }
        event = Event("evidence.verified", EvidenceRow, new_id(), change, create=True)
        await record(tx, driver(made), event)


async def resettle(db: Database, made: Round, segment: str) -> Verdict | None:
    """Settle a stop in a transaction of its own."""
    async with db.begin() as tx:
        return await settle(tx, SYSTEM, made.stops[segment], cause="test")


async def proof(db: Database, made: Round, segment: str) -> str:
    """Return the proof's state as it is stored."""
    async with db.snapshot() as tx:
        query = select(col(Stop.proof)).where(col(Stop.id) == made.stops[segment])
        return str(await tx.scalar(query))


async def test_late_photo_moves_the_proof_not_the_stop(db: Database) -> None:
    """Delivered with a photo still on the phone: awaited; when the bytes verify: accepted."""
    made = await a_round(db)
    verdict = await close(db, made, "economy", delivered(), evidence=[photo()])
    assert (verdict.state, set(verdict.codes)) == (ProofState.AWAITED, {"photo_awaited"})
    await arrive(db, made, PHOTO)
    await resettle(db, made, "economy")
    assert await proof(db, made, "economy") == "accepted"
    async with db.snapshot() as tx:
        query = select(StopEvent).where(col(StopEvent.stop_id) == made.stops["economy"])
        kinds = [e.kind for e in await tx.scalars(query.order_by(col(StopEvent.version)))]
    assert kinds == ["stop.released", "stop.delivered", "proof.accepted"]


async def test_photo_may_come_first(db: Database) -> None:
    """Bytes that verified before the event are found by it."""
    made = await a_round(db)
    await arrive(db, made, PHOTO)
    verdict = await close(db, made, "economy", delivered(), evidence=[photo()])
    assert verdict == Verdict(ProofState.ACCEPTED)


async def test_settling_again_changes_nothing(db: Database) -> None:
    """A settled proof has one entry, however often it is looked at."""
    made = await a_round(db)
    await close(db, made, "economy", delivered(), evidence=[photo()])
    await arrive(db, made, PHOTO)
    for _ in range(3):
        await resettle(db, made, "economy")
    async with db.snapshot() as tx:
        query = select(AuditEntry).where(
            col(AuditEntry.action) == "proof.accepted",
            col(AuditEntry.entity_id) == str(made.stops["economy"]),
        )
        assert len(list(await tx.scalars(query))) == 1


async def test_a_strangers_bytes_do_not_count(db: Database) -> None:
    """The same photo from another driver proves nothing here."""
    made, other = await a_round(db), await a_round(db)
    await arrive(db, other, PHOTO)
    verdict = await close(db, made, "economy", delivered(), evidence=[photo()])
    assert verdict.state is ProofState.AWAITED


async def test_a_drawing_is_no_photo(db: Database) -> None:
    """Strokes that were uploaded under the name of a photo are corrupt as one."""
    made = await a_round(db)
    await arrive(db, made, SIGNED)
    verdict = await close(db, made, "economy", delivered(), evidence=[photo()])
    assert verdict.codes == {"photo_corrupt"}


async def test_a_corrupt_upload_is_said_so(db: Database) -> None:
    """Where the newest upload did not fit its hash, the finding says corrupt."""
    made = await a_round(db)
    async with db.begin() as tx:
        tx.add(
            EvidenceUpload(
                device_id=made.device,
                sha256=SHA,
                kind="photo",
                media_type="image/jpeg",
                size=9,
                state="corrupt",
                updated_at=moment(tx),
            )
        )
    verdict = await close(db, made, "economy", delivered(), evidence=[photo()])
    assert (verdict.state, set(verdict.codes)) == (ProofState.AWAITED, {"photo_corrupt"})


async def test_signature_inside_or_beside_the_event(db: Database) -> None:
    """Business takes strokes in the body, or a file that the body names by hash."""
    strokes = [[[10 + 4 * i, 40 + (i % 7) * 5, 16 * i] for i in range(30)]]
    made, other = await a_round(db), await a_round(db)
    who = {"recipient": {"name": "A. Poe", "relation": "reception"}}
    inside = delivered(**who, signature={"strokes": strokes})
    assert (await close(db, made, "business", inside)).state is ProofState.ACCEPTED
    beside = delivered(**who, signature={"sha256": SHA})
    assert (await close(db, other, "business", beside)).codes == {"signature_awaited"}
    await arrive(db, other, SIGNED)
    await resettle(db, other, "business")
    assert await proof(db, other, "business") == "accepted"


async def test_blank_strokes_prove_nothing(db: Database) -> None:
    """A tap is found blank, broken strokes corrupt; neither is an error."""
    made, other = await a_round(db), await a_round(db)
    who = {"recipient": {"name": "A. Poe", "relation": "self"}}
    tap = delivered(**who, signature={"strokes": [[[1, 1, 0]]]})
    assert (await close(db, made, "business", tap)).codes == {"signature_blank"}
    broken = delivered(**who, signature={"strokes": "xx"})
    assert (await close(db, other, "business", broken)).codes == {"signature_corrupt"}


async def test_time_runs_out_and_a_person_is_asked(fresh_db: Database, clock: FakeClock) -> None:
    """After the policy's hours the proof is refused, and one inbox item asks why."""
    made = await a_round(fresh_db)
    await close(fresh_db, made, "economy", delivered())
    clock.advance(hours=23)
    assert await settle_overdue(fresh_db) == 0
    clock.advance(hours=2)
    assert await settle_overdue(fresh_db) == 1
    assert await settle_overdue(fresh_db) == 0
    assert await proof(fresh_db, made, "economy") == "refused"
    async with fresh_db.snapshot() as tx:
        (item,) = await tx.scalars(select(InboxItem))
    assert (item.kind, item.stop_id) == ("evidence_overdue", made.stops["economy"])
    assert "photo_missing" in item.detail


async def test_later_than_late_still_counts(db: Database, clock: FakeClock) -> None:
    """Evidence that comes after its time mends a refused proof: nothing recorded is dropped."""
    made = await a_round(db)
    await close(db, made, "economy", delivered(), evidence=[photo()])
    clock.advance(days=3)
    await resettle(db, made, "economy")
    assert await proof(db, made, "economy") == "refused"
    await arrive(db, made, PHOTO)
    await resettle(db, made, "economy")
    assert await proof(db, made, "economy") == "accepted"


async def test_waived_stays_waived(db: Database) -> None:
    """What a supervisor waived no photo brings back."""
    made = await a_round(db)
    await close(db, made, "economy", delivered(), evidence=[photo()])
    async with db.begin() as tx:
        change = {"proof": "waived"}
        await record(tx, SYSTEM, Event("stop.overridden", Stop, made.stops["economy"], change))
    await arrive(db, made, PHOTO)
    assert await resettle(db, made, "economy") is None
    assert await proof(db, made, "economy") == "waived"


async def test_an_override_without_waiver_is_judged(db: Database) -> None:
    """A stop that a supervisor called delivered still owes its proof."""
    made = await a_round(db)
    async with db.begin() as tx:
        change = {"state": "delivered", "method": "handed_over"}
        await record(tx, SYSTEM, Event("stop.overridden", Stop, made.stops["economy"], change))
    verdict = await resettle(db, made, "economy")
    assert verdict is not None
    assert verdict.state is ProofState.AWAITED
    assert await proof(db, made, "economy") == "awaited"


async def test_an_open_stop_has_nothing_to_settle(db: Database) -> None:
    """Evidence that comes before the visit ends changes no proof."""
    made = await a_round(db)
    assert await resettle(db, made, "economy") is None
    async with db.begin() as tx:
        assert await settle(tx, SYSTEM, new_id()) is None


async def test_notes_and_scans_count(db: Database) -> None:
    """A note beside the failure is the note its rule asks for."""
    made = await a_round(db)
    async with db.begin() as tx:
        witness = Witness(body={"text": "goods-in refused the pallet"})
        event = Event("stop.noted", Stop, made.stops["business"], witness=witness)
        await record(tx, driver(made), event)
    verdict = await close(db, made, "business", {"reason": "refused"}, kind="stop.failed")
    assert verdict == Verdict(ProofState.ACCEPTED)


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


def test_secrets_are_kept_out_of_bodies() -> None:
    """Codes and tokens leave a body before it is stored, inside a correction too."""
    inner = {"method": "handed_over", "code": "123456", "door_token": "DS1:X"}
    outer = {"corrects": "x", "becomes": {"kind": "stop.delivered", "body": inner}}
    assert without_secrets(inner) == {"method": "handed_over"}
    assert "123456" not in str(without_secrets(outer))


def test_a_correction_claims_what_it_becomes() -> None:
    """The claim of a corrected event is that of its new body."""
    body = {"becomes": {"kind": "stop.failed", "body": {"reason": "not_home"}}}
    claim = claim_of("stop.corrected", body, None)
    assert claim is not None
    assert (claim.outcome.value, claim.reason) == ("failed", "not_home")
    assert claim_of("stop.arrived", {}, None) is None
