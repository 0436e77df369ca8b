"""What becomes of what a phone tells: who wins, who is asked, and what waits."""

import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.store.database import Database
from backend.tables.audit import AuditEntry
from backend.tables.devices import Device
from backend.tables.inbox import InboxItem
from backend.tables.installation import Outbox
from backend.tables.stops import Stop, StopAssignment
from pod.door import customers_code
from sync.held import judge_held
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import a_round
from tests.sync.by_hand import Handset, delivered

pytestmark = pytest.mark.anyio


async def test_foreign_and_unknown_stops_get_the_same_answer(
    handset: Handset, db: Database
) -> None:
    """A stop that never was this driver's is as unknown as one that does not exist."""
    other = await a_round(db, keys=handset.keys)
    foreign = handset.mutation("stop.arrived", stop_id=str(other.stops["economy"]))
    nowhere = handset.mutation("stop.arrived", stop_id=str(uuid4()))
    receipts = (await handset.sync(foreign, nowhere))["receipts"]
    for receipt in receipts:
        assert (receipt["outcome"], receipt["code"]) == ("held", "unknown_stop")
        assert receipt["stop"] is None
    assert receipts[0]["detail"] == receipts[1]["detail"]


async def test_wrong_codes_are_counted_for_life_and_the_fact_stands(handset: Handset) -> None:
    """Four wrong, the fifth locks, and the right one no longer counts; the delivery applies."""
    right, _ = customers_code(handset.keys, handset.round.stops["premium"], 1)
    wrong = str((int(right) + 1) % 10**6).zfill(6)
    tries = [handset.mutation("code.presented", {"code": wrong}, "premium") for _ in range(5)]
    tries.append(handset.mutation("code.presented", {"code": right}, "premium"))
    receipts = (await handset.sync(*tries))["receipts"]
    assert [r["code"] for r in receipts] == ["code_wrong"] * 4 + ["code_locked"] * 2
    done = handset.mutation("stop.delivered", delivered(code=right), "premium")
    (receipt,) = (await handset.sync(done))["receipts"]
    assert receipt["outcome"] == "applied"
    assert "code_locked" in {f["code"] for f in receipt["findings"]}


async def test_the_door_token_proves_offline_and_is_spent_once(handset: Handset) -> None:
    """A scanned QR proves the delivery; a second use is told apart."""
    _, qr = customers_code(handset.keys, handset.round.stops["premium"], 1)
    one = handset.mutation("stop.delivered", delivered(door_token=qr), "premium")
    two = handset.mutation("code.presented", {"door_token": qr}, "premium")
    first, second = (await handset.sync(one, two))["receipts"]
    assert first["stop"]["proof"] == "accepted"
    assert second["code"] == "door_token_spent"


async def test_a_delivery_wins_over_a_cancel_and_asks_a_person(
    handset: Handset, db: Database
) -> None:
    """Facts beat intents: the stop is delivered, and the inbox has exactly one item about it."""
    stop_id = handset.round.stops["economy"]
    async with db.begin() as tx:
        event = Event("stop.cancelled", Stop, stop_id, {"state": "cancelled"})
        await record(tx, SYSTEM, event)
    sent = handset.mutation("stop.delivered", delivered())
    (receipt,) = (await handset.sync(sent))["receipts"]
    assert (receipt["outcome"], receipt["stop"]["state"]) == ("conflict", "delivered")
    await handset.sync(sent)
    async with db.snapshot() as tx:
        query = select(func.count()).where(col(InboxItem.mutation_id) == UUID(sent["id"]))
        assert await tx.scalar(query) == 1


async def test_a_failure_needs_one_of_the_reasons(handset: Handset) -> None:
    """An unknown reason has no effect and says so."""
    odd = handset.mutation("stop.failed", {"reason": "aliens"})
    known = handset.mutation("stop.failed", {"reason": "not_home"})
    first, second = (await handset.sync(odd, known))["receipts"]
    assert (first["outcome"], first["code"]) == ("rejected", "reason_unknown")
    assert (second["outcome"], second["stop"]["state"]) == ("applied", "failed")


async def test_a_driver_mends_his_own_event_in_time(handset: Handset) -> None:
    """A correction within the window turns a delivery into a failure."""
    wrong = handset.mutation("stop.delivered", delivered())
    becomes = {"kind": "stop.failed", "body": {"reason": "not_home"}}
    mend = handset.mutation(
        "stop.corrected", {"corrects": wrong["id"], "reason": "slip", "becomes": becomes}
    )
    first, second = (await handset.sync(wrong, mend))["receipts"]
    assert first["stop"]["state"] == "delivered"
    assert (second["outcome"], second["stop"]["state"]) == ("applied", "failed")


async def test_routes_start_and_are_resequenced(handset: Handset, db: Database) -> None:
    """Customers hear of the start, a new order reaches the manifest, the log names the request."""
    first = await handset.sync(pull=True)
    route = str(handset.round.route)
    start = handset.mutation("route.started", {"odometer_km": 7}, stop_id=None, route_id=route)
    order = [str(id_) for id_ in reversed(handset.round.stops.values())]
    wish = handset.mutation("route.resequenced", {"stop_ids": order}, stop_id=None, route_id=route)
    reply = await handset.sync(start, wish, cursor=first["cursor"], pull=True)
    assert [r["outcome"] for r in reply["receipts"]] == ["applied", "applied"]
    entity = next(put["data"] for put in reply["puts"] if put["type"] == "route")
    assert (entity["state"], entity["stop_ids"]) == ("started", order)
    async with db.snapshot() as tx:
        told = {json.loads(text)["event"] for text in await tx.scalars(select(col(Outbox.payload)))}
        entry = await tx.scalar(
            select(col(AuditEntry.leaf)).where(col(AuditEntry.action) == "route.started")
        )
    assert "stop.started" in told
    assert json.loads(entry or b"{}")["request"]


async def test_a_revoked_device_is_heard_but_told_nothing(
    handset: Handset, db: Database, clock: FakeClock
) -> None:
    """Its mutations are kept in quarantine, and it is told to wipe after that."""
    async with db.begin() as tx:
        event = Event("device.revoked", Device, handset.round.device, {"revoked_at": clock.now()})
        await record(tx, SYSTEM, event)
    reply = await handset.sync(handset.mutation("stop.arrived"), pull=True)
    assert (reply["receipts"][0]["outcome"], reply["receipts"][0]["code"]) == (
        "quarantined",
        "device_revoked",
    )
    assert (reply["cursor"], reply["puts"], reply["wipe"]) == (None, [], "after_flush")


async def test_a_foreign_cursor_gets_a_snapshot(handset: Handset) -> None:
    """A cursor that is not ours is answered with everything, not with an error."""
    for cursor in ("rubbish", "", "e30", "W10", "a" * 5000, "\u20ac"):
        assert (await handset.sync(cursor=cursor, pull=True))["reset"] is True


async def test_a_held_mutation_is_judged_again_when_its_stop_arrives(
    handset: Handset, db: Database, clock: FakeClock
) -> None:
    """The stop becomes this driver's; the phone's repeat then gets the new answer."""
    other = await a_round(db, keys=handset.keys)
    stop_id = other.stops["economy"]
    early = handset.mutation("stop.arrived", stop_id=str(stop_id))
    assert (await handset.sync(early))["receipts"][0]["code"] == "unknown_stop"
    async with db.begin() as tx:
        tx.add(StopAssignment(stop_id=stop_id, driver_id=handset.round.driver, since=clock.now()))
        change = {"manifest_driver_id": handset.round.driver}
        await record(tx, SYSTEM, Event("stop.reassigned", Stop, stop_id, change))
    assert await judge_held(db, handset.keys) == 1
    assert await judge_held(db, handset.keys) == 0
    (again,) = (await handset.sync(early))["receipts"]
    assert (again["outcome"], again["duplicate"]) == ("applied", True)
    assert again["stop"]["state"] == "arrived"


FAULT = """
CREATE FUNCTION choke() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.body->>'text' = 'choke' THEN RAISE EXCEPTION 'a fault of our own'; END IF;
  RETURN NEW;
END $$
"""


async def test_what_we_cannot_process_is_quarantined_and_harms_no_neighbour(
    handset: Handset, db: Database
) -> None:
    """A fault of ours, met in one mutation, costs that one its effect and nobody else theirs."""
    async with db.begin() as tx:
        await tx.execute(text(FAULT))
        await tx.execute(
            text(
                "CREATE TRIGGER choke BEFORE INSERT ON stop_event "
                "FOR EACH ROW EXECUTE FUNCTION choke()"
            )
        )
    texts = ["one", "choke", "three", "choke", "five"]
    sent = [handset.mutation("stop.noted", {"text": said}) for said in texts]
    sent.append(handset.mutation("stop.delivered", delivered()))
    reply = await handset.sync(*sent)
    outcomes = [(r["outcome"], r["code"]) for r in reply["receipts"]]
    fine, choked = ("applied", None), ("quarantined", "not_processed")
    assert outcomes == [fine, choked, fine, choked, fine, fine]
    assert reply["acked_n"] == 6
    assert all(receipt["entry"] for receipt in reply["receipts"])
    async with db.begin() as tx:
        await tx.execute(text("DROP TRIGGER choke ON stop_event"))
        await tx.execute(text("DROP FUNCTION choke"))
