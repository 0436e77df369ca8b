"""One round trip pushes and pulls, against the real server: what is lost is said again."""

from uuid import UUID

import pytest
from sqlalchemy import text

from backend.domain.people import SYSTEM
from backend.identity.devices import revoke
from backend.keys import load_keys
from handset import Fix, Handset, Photo, Strokes, Unreachable
from handset.wire import Receipt
from tests.fixtures.visits import Round, a_round
from tests.handset.conftest import Bench
from tests.handset.pictures import png

pytestmark = pytest.mark.anyio

LINES = Strokes([[(float(x), x * x % 40.0, x * 15.0) for x in range(25)]])
HERE = Fix(39.2930, -76.5866)


async def _on_the_road(bench: Bench, *segments: str, signed: bool = True) -> tuple[Handset, Round]:
    """A phone with its manifest, and the round it drives."""
    keys = load_keys(bench.settings.data, log_name=bench.settings.log_name)
    made = await a_round(bench.db, *segments, keys=keys)
    phone = bench.phone(signed=signed)
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    return phone, made


def _outcomes(receipts: list[Receipt]) -> list[tuple[str, bool]]:
    return [(receipt.outcome, receipt.duplicate) for receipt in receipts]


async def test_the_first_sync_brings_the_manifest(bench: Bench) -> None:
    """Stops in driving order, each with its rules, and a digest that fits."""
    phone, made = await _on_the_road(bench)
    assert [stop.id for stop in phone.stops()] == [str(stop) for stop in made.stops.values()]
    assert all(stop.proof_rules for stop in phone.stops())
    assert phone.base.cursor is not None
    assert {reason.code for reason in phone.reasons()} >= {"not_home", "refused"}


async def test_an_idle_sync_changes_nothing(bench: Bench) -> None:
    """The second call brings no entity, and the copy still fits."""
    phone, _ = await _on_the_road(bench)
    before = phone.base.versions()
    report = await phone.sync()
    assert (report.settled, report.resets, report.rounds) == (True, 0, 1)
    assert phone.base.versions() == before


async def test_a_delivery_is_told_and_seen_at_once(bench: Bench) -> None:
    """The reply holds the receipt and the stop as the server has it now."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    phone.arrive(stop_id, HERE)
    act = phone.deliver(
        stop_id, "reception", recipient=("Edgar Poe", "self"), signature=LINES, fix=HERE
    )
    report = await phone.sync()
    assert _outcomes(report.receipts) == [("applied", False)] * 2
    assert report.receipts[1].id == act.id
    assert report.receipts[1].entry is not None
    assert (phone.stops()[0].state, phone.stops()[0].proof) == ("delivered", "accepted")
    assert (phone.pending, phone.journal.unreflected()) == (0, [])


async def test_a_photo_that_follows_completes_the_proof(bench: Bench) -> None:
    """Awaited when told, accepted when the file is there, then gone from the phone."""
    phone, made = await _on_the_road(bench, "economy")
    stop_id = str(made.stops["economy"])
    photo = Photo(png(11), "image/png")
    phone.deliver(stop_id, "safe_place", photos=[photo], fix=HERE)
    await phone.sync()
    assert phone.stops()[0].proof == "awaited"
    await phone.upload()
    await phone.sync()
    assert phone.stops()[0].proof == "accepted"
    assert not phone.shelf.path(photo.sha256).exists()


async def test_a_lost_reply_costs_a_duplicate(bench: Bench) -> None:
    """The phone cannot know that the server heard it; it says the same again."""
    phone, made = await _on_the_road(bench, "business")
    phone.arrive(str(made.stops["business"]))
    bench.line.losses.append("reply")
    with pytest.raises(Unreachable):
        await phone.sync()
    assert phone.pending == 1
    report = await phone.sync()
    assert _outcomes(report.receipts) == [("applied", True)]
    assert phone.pending == 0


async def test_a_phone_killed_before_the_reply_says_it_again(bench: Bench) -> None:
    """What is on the disk is enough to go on with."""
    phone, made = await _on_the_road(bench, "business")
    phone.arrive(str(made.stops["business"]))
    bench.line.losses.append("reply")
    with pytest.raises(Unreachable):
        await phone.sync()
    await phone.close()
    again = bench.phone()
    assert _outcomes((await again.sync()).receipts) == [("applied", True)]


async def test_numbers_out_of_order_are_held_and_then_taken(bench: Bench) -> None:
    """Beyond a gap nothing applies; the next sync fills it."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    for words in ("one", "two", "three"):
        phone.note(stop_id, words)
    report = await phone.syncer.push(phone.journal.numbers([2, 3]))
    assert [receipt.held_for_gap for receipt in report.receipts] == [True, True]
    assert phone.pending == 3
    assert [(r.n, r.duplicate) for r in (await phone.sync()).receipts] == [
        (1, False),
        (2, False),
        (3, False),
    ]
    assert phone.pending == 0


async def test_lost_events_are_owned_up_to(bench: Bench) -> None:
    """A phone that lost part of its journal declares the range and goes on."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    for words in ("one", "two", "three"):
        phone.note(stop_id, words)
    phone.journal._disk.db.execute("DELETE FROM journal WHERE n < 3")
    report = await phone.sync()
    assert report.settled
    assert phone.pending == 0
    assert [(act.n, act.kind) for act in phone.journal.all()] == [
        (1, "device.lost_events"),
        (3, "stop.noted"),
    ]


async def test_nonsense_does_not_stop_the_queue(bench: Bench) -> None:
    """A malformed act is quarantined, the next one applies."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    phone.record("stop.delivered", {"method": "teleported"}, stop_id=stop_id)
    phone.arrive(stop_id)
    report = await phone.sync()
    assert [receipt.outcome for receipt in report.receipts] == ["quarantined", "applied"]
    assert phone.pending == 0


async def test_many_acts_go_in_batches(bench: Bench) -> None:
    """More than one request holds is told in several, and all are receipted."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    for number in range(230):
        phone.note(stop_id, f"note {number}")
    report = await phone.sync()
    assert (report.rounds, report.acked, phone.pending) == (2, 230, 0)


async def test_a_damaged_copy_heals_itself(bench: Bench) -> None:
    """A digest that does not fit brings a snapshot without anybody asking."""
    phone, made = await _on_the_road(bench)
    phone.base._disk.db.execute("DELETE FROM entity WHERE id = ?", (str(made.stops["economy"]),))
    report = await phone.sync()
    assert (report.settled, report.resets) == (True, 1)
    assert len(phone.stops()) == 4


async def test_a_restored_server_hears_everything_again(bench: Bench) -> None:
    """A new epoch: what was acknowledged goes out once more, the same bytes, as duplicates."""
    phone, made = await _on_the_road(bench, "business")
    phone.arrive(str(made.stops["business"]))
    await phone.sync()
    phone.session._disk.put("epoch", "00000000-0000-4000-8000-000000000000")
    report = await phone.sync()
    assert ("applied", True) in _outcomes(report.receipts)
    assert (report.settled, report.resets, phone.pending) == (True, 1, 0)


async def test_a_copied_phone_does_not_fork_for_ever(bench: Bench) -> None:
    """A phone back from an old copy has one act quarantined and then counts on from the server."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    for words in ("one", "two"):
        phone.note(stop_id, words)
    await phone.sync()
    phone.journal._disk.db.execute("DELETE FROM journal")
    phone.journal._disk.put("last_n", "0")
    phone.note(stop_id, "after the copy")
    report = await phone.sync()
    assert [(r.outcome, r.code) for r in report.receipts] == [("quarantined", "fork")]
    assert phone.note(stop_id, "again").n == 3


async def test_a_new_phone_tells_what_the_old_one_knew(bench: Bench) -> None:
    """After a new enrolment known acts are duplicates and new ones apply."""
    phone, made = await _on_the_road(bench, "business")
    stop_id = str(made.stops["business"])
    phone.arrive(stop_id)
    await phone.sync()
    phone.note(stop_id, "said before the reinstall")
    await phone.enrol(await bench.code(made.driver))
    report = await phone.sync()
    assert [receipt.duplicate for receipt in report.receipts] == [True, False]
    assert phone.pending == 0


async def test_a_revoked_phone_is_heard_and_then_wiped(bench: Bench) -> None:
    """What it recorded is kept by the server; nothing stays on the phone."""
    phone, made = await _on_the_road(bench, "business")
    phone.arrive(str(made.stops["business"]))
    async with bench.db.begin() as tx:
        await revoke(tx, SYSTEM, UUID(phone.session.device_id))
    report = await phone.sync()
    assert report.wiped
    assert [(r.outcome, r.code) for r in report.receipts] == [("quarantined", "device_revoked")]
    assert (phone.stops(), phone.journal.all(), phone.session.device_id) == ([], [], None)


async def test_an_unsigned_phone_is_heard_too(bench: Bench) -> None:
    """The key is optional."""
    phone, made = await _on_the_road(bench, "business", signed=False)
    phone.arrive(str(made.stops["business"]))
    assert _outcomes((await phone.sync()).receipts) == [("applied", False)]


async def test_the_server_keeps_the_bytes_as_captured(bench: Bench) -> None:
    """Raw mutation and signature are what the phone froze at capture."""
    phone, made = await _on_the_road(bench, "business")
    act = phone.arrive(str(made.stops["business"]), HERE)
    await phone.sync()
    async with bench.db.snapshot() as tx:
        raw = await tx.scalar(text("SELECT raw FROM mutation WHERE id = :id"), {"id": act.id})
    assert raw == act.envelope


async def test_events_of_an_hour_offline_keep_their_order(bench: Bench) -> None:
    """A long silence, then everything in one go."""
    phone, made = await _on_the_road(bench)
    for stop_id in map(str, made.stops.values()):
        phone.depart(stop_id)
        phone.arrive(stop_id, HERE)
        phone.fail(stop_id, "not_home", note="nobody there", fix=HERE)
    bench.clock.advance(hours=1)
    report = await phone.sync()
    assert len(report.receipts) == 12
    assert {receipt.outcome for receipt in report.receipts} == {"applied"}
    assert {stop.state for stop in phone.stops()} == {"failed"}
