"""``POST /driver/v1/sync`` from outside: receipts, numbers, isolation, and what comes back."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import func, select, text
from sqlmodel import col

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.identity import access
from backend.keys import Keys, load_keys
from backend.settings import Settings
from backend.store.database import Database
from backend.tables.audit import AuditEntry
from backend.tables.devices import Device
from backend.tables.inbox import InboxItem
from backend.tables.installation import Outbox
from backend.tables.mutations import Mutation
from backend.tables.stops import Stop, StopAssignment
from pod.door import customers_code
from sync.held import judge_held
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@dataclass
class Handset:
    """A hand-written phone: it numbers mutations and sends what a test tells it to."""

    client: AsyncTestClient[Litestar]
    token: str
    round: Round
    keys: Keys
    n: int = 0
    sent: list[Json] = field(default_factory=list)

    def mutation(
        self, kind: str, body: Json | None = None, segment: str = "economy", **more: object
    ) -> Json:
        """Number a mutation about the stop of a segment."""
        self.n += 1
        made = {
            "id": str(uuid4()),
            "n": self.n,
            "kind": kind,
            "kind_version": 1,
            "stop_id": str(self.round.stops[segment]),
            "base": 1,
            "policy_version": 1,
            "at": {"wall": "2026-11-23T07:59:00.000Z", "monotonic_ms": 1000, "boot": "b"},
            "body": body or {},
        }
        return {**made, **more}

    async def post(self, raw: bytes | Json) -> Response:
        """Call sync with bytes or an envelope."""
        content = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return await self.client.post("/driver/v1/sync", content=content, headers=headers)

    async def sync(self, *mutations: Json, cursor: str | None = None, pull: bool = False) -> Json:
        """Send mutations; return the reply."""
        envelope: Json = {
            "cursor": cursor,
            "pull": pull,
            "client": {},
            "mutations": list(mutations),
        }
        answer = await self.post(envelope)
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply


def delivered(**more: object) -> Json:
    """A body that hands goods over."""
    return {"method": "handed_over", "parcels": [], "recipient": {"name": "E. Poe"}, **more}


@pytest.fixture
def settings(pg_url: str, tmp_path: Path) -> Settings:
    """An installation of its own."""
    return settings_for(pg_url, tmp_path)


@pytest.fixture
async def handset(db: Database, settings: Settings, clock: FakeClock) -> AsyncIterator[Handset]:
    """A phone whose driver has four stops, one in each segment."""
    keys = load_keys(settings.data, log_name=settings.log_name)
    made = await a_round(db, keys=keys)
    token = access.issue(keys, made.device, clock.now()).token
    async with calling(settings, clock) as client:
        yield Handset(client, token, made, keys)


def digest_of(entities: dict[tuple[str, str], int]) -> str:
    """The digest as the contract words it."""
    lines = sorted(f"{type_}:{id_}:{v}\n" for (type_, id_), v in entities.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


async def test_snapshot_holds_route_stops_reasons_and_settings(handset: Handset) -> None:
    """A first call answers everything in scope, and the digest fits what the phone then holds."""
    reply = await handset.sync(pull=True)
    kinds = sorted(put["type"] for put in reply["puts"])
    assert kinds == ["reasons", "route", "settings", "stop", "stop", "stop", "stop"]
    assert reply["reset"] is True
    assert reply["more"] is False
    held = {(put["type"], put["id"]): put["v"] for put in reply["puts"]}
    assert reply["digest"] == digest_of(held)
    premium = next(
        p["data"] for p in reply["puts"] if p["id"] == str(handset.round.stops["premium"])
    )
    assert premium["door"]["commitment"]
    assert premium["proof_rules"]["delivered"]
    code, _ = customers_code(handset.keys, handset.round.stops["premium"], 1)
    assert code not in json.dumps(reply)


async def test_idle_sync_says_nothing_new(handset: Handset) -> None:
    """A cursor that is up to date gets the digest and nothing else."""
    first = await handset.sync(pull=True)
    again = await handset.sync(cursor=first["cursor"], pull=True)
    assert (again["puts"], again["removes"], again["reset"]) == ([], [], False)
    assert again["digest"] == first["digest"]


async def test_a_delivery_applies_and_is_read_back(handset: Handset) -> None:
    """The reply that acknowledges a delivery already shows its effect."""
    first = await handset.sync(pull=True)
    sent = handset.mutation("stop.delivered", delivered())
    reply = await handset.sync(sent, cursor=first["cursor"], pull=True)
    (receipt,) = reply["receipts"]
    assert receipt["outcome"] == "applied"
    assert receipt["stop"]["state"] == "delivered"
    assert len(receipt["entry"]) == 64
    assert reply["acked_n"] == 1
    (put,) = reply["puts"]
    assert put["data"]["state"] == "delivered"
    assert put["data"]["version"] == receipt["stop"]["version"]


async def test_a_repeat_returns_the_stored_answer(handset: Handset, db: Database) -> None:
    """The same mutation again is answered as before and does nothing twice."""
    sent = handset.mutation("stop.arrived")
    first = await handset.sync(sent)
    again = await handset.sync(sent, sent)
    for receipt in again["receipts"]:
        assert receipt == {**first["receipts"][0], "duplicate": True}
    async with db.snapshot() as tx:
        rows = await tx.scalar(
            select(func.count()).where(col(Mutation.device_id) == handset.round.device)
        )
    assert rows == 1


async def test_same_number_other_content_is_a_fork(handset: Handset) -> None:
    """The first stays, the second is quarantined with its bytes; both times the same answer."""
    sent = handset.mutation("stop.arrived")
    await handset.sync(sent)
    other = {**sent, "id": str(uuid4()), "kind": "stop.noted", "body": {"text": "hm"}}
    reply = await handset.sync(other)
    assert reply["receipts"][0]["outcome"] == "quarantined"
    assert reply["receipts"][0]["code"] == "fork"
    assert reply["receipts"][0]["entry"]
    assert (await handset.sync(other))["receipts"][0]["duplicate"] is True
    assert reply["acked_n"] == 1


async def test_nothing_is_applied_beyond_a_gap(handset: Handset) -> None:
    """After a missing number everything new is held, and the phone learns what to send."""
    one, two, three = (handset.mutation("stop.noted", {"text": str(i)}) for i in range(3))
    reply = await handset.sync(one, three, two)
    assert [r["outcome"] for r in reply["receipts"]] == ["applied", "held", "held"]
    assert reply["receipts"][1]["code"] == "gap"
    assert reply["receipts"][1]["entry"] is None
    assert (reply["acked_n"], reply["need_from"]) == (1, 2)
    healed = await handset.sync(two, three)
    assert [r["outcome"] for r in healed["receipts"]] == ["applied", "applied"]
    assert (healed["acked_n"], healed["need_from"]) == (3, None)


async def test_a_gap_holds_across_chunks(handset: Handset) -> None:
    """A gap in the first fifty holds what stands behind the fiftieth too."""
    many = [handset.mutation("stop.noted", {"text": str(i)}) for i in range(60)]
    reply = await handset.sync(*many[:3], *many[4:])
    assert {r["outcome"] for r in reply["receipts"][3:]} == {"held"}
    assert reply["need_from"] == 4


async def test_lost_events_close_a_range(handset: Handset, db: Database) -> None:
    """A declared loss moves the number on; what turns up later is quarantined."""
    first, lost = handset.mutation("stop.noted", {"text": "a"}), handset.mutation("stop.arrived")
    handset.n = 1
    declared = handset.mutation("device.lost_events", {"from_n": 2, "to_n": 4}, stop_id=None)
    reply = await handset.sync(first, declared)
    assert reply["receipts"][1]["outcome"] == "applied"
    assert reply["acked_n"] == 4
    late = await handset.sync(lost)
    assert late["receipts"][0]["code"] == "range_closed"
    async with db.snapshot() as tx:
        kinds = list(await tx.scalars(select(col(InboxItem.kind))))
    assert "lost_events" in kinds


async def test_poison_leaves_its_neighbours_alone(handset: Handset) -> None:
    """Whatever stands in one mutation, the good ones apply and the number goes past both."""
    good = handset.mutation("stop.arrived")
    handset.n += 7
    last = handset.mutation("stop.noted", {"text": "still here"})

    def bad(n: int, inside: bytes) -> bytes:
        return b'{"id":"%s","n":%d,%s}' % (str(uuid4()).encode(), n, inside)

    batch = [
        json.dumps(good).encode(),
        bad(2, b'"kind":"stop.noted","body":{"text":"\\ud800"}'),
        bad(3, b'"kind":"stop.noted","x":1e999'),
        bad(4, b'"kind":"stop.noted","x":' + b"[" * 3000 + b"]" * 3000),
        bad(
            5,
            b'"kind":"stop.noted","body":{"text":"a\\u0000b"},"stop_id":"%s"'
            % good["stop_id"].encode(),
        ),
        bad(6, b'"kind":"stop.levitated"'),
        bad(
            7,
            b'"kind":"stop.delivered","body":{"method":"thrown"},"stop_id":"%s"'
            % good["stop_id"].encode(),
        ),
        bad(8, b'"kind":"stop.arrived","stop_id":"%s"' % str(uuid4()).encode()),
        json.dumps(last).encode(),
        b"7",
        b'{"n":true}',
    ]
    answer = await handset.post(b'{"pull":false,"mutations":[' + b",".join(batch) + b"]}")
    assert answer.status_code == 200, answer.text
    reply = answer.json()
    outcomes = [(r["outcome"], r["code"]) for r in reply["receipts"]]
    assert outcomes == [
        ("applied", None),
        ("quarantined", "malformed"),
        ("quarantined", "malformed"),
        ("quarantined", "malformed"),
        ("quarantined", "malformed"),
        ("held", "unknown_kind"),
        ("quarantined", "malformed"),
        ("held", "unknown_stop"),
        ("applied", None),
        ("quarantined", "malformed"),
        ("quarantined", "n_invalid"),
    ]
    assert reply["acked_n"] == 9
    assert [r["entry"] is None for r in reply["receipts"]] == [False] * 9 + [True] * 2


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b'{"mutations":{}}', b'{"cursor":7}', b'{"pull":"yes"}', b'{"mutations":[}'],
)
async def test_a_broken_envelope_is_refused(handset: Handset, body: bytes) -> None:
    """Only the envelope's own three members can fail a request."""
    answer = await handset.post(body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "envelope_invalid"


async def test_client_never_fails_a_request(handset: Handset) -> None:
    """Whatever the phone says of itself is taken or ignored."""
    for client in ({"pending": "many"}, 7, None, {"wall": "soon", "monotonic_ms": "x"}):
        assert (await handset.post({"client": client, "pull": False})).status_code == 200


async def test_too_many_mutations_record_nothing(handset: Handset) -> None:
    """More than two hundred are refused as a whole."""
    many = [handset.mutation("stop.noted", {"text": "x"}) for _ in range(201)]
    answer = await handset.post({"mutations": many})
    assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")
    assert (await handset.sync())["acked_n"] == 0


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
