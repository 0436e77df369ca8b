"""``POST /driver/v1/sync`` from outside: receipts, numbers, isolation, and what comes back."""

import hashlib
import json
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from backend.store.database import Database
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from pod.door import customers_code
from tests.sync.by_hand import Handset, delivered

pytestmark = pytest.mark.anyio


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
