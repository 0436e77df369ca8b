"""Proofs in a real database: weighed when a visit closes, settled when more comes, for good."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.audit.follow import Witness
from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.domain.stop import ProofState
from backend.ids import new_id
from backend.store.database import Database, moment
from backend.tables.audit import AuditEntry
from backend.tables.evidence import EvidenceUpload
from backend.tables.inbox import InboxItem
from backend.tables.stops import Stop, StopEvent
from pod.service import (
    claim_of,
    settle,
    settle_overdue,
    without_secrets,
)
from pod.verdict import Verdict
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import a_round
from tests.pod.closing import (
    PHOTO,
    SHA,
    SIGNED,
    arrive,
    close,
    delivered,
    driver,
    photo,
    proof,
    resettle,
)

pytestmark = pytest.mark.anyio


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
