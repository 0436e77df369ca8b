"""Phones that are two, copies of one another, new under an old name, or revoked."""

import shutil
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.dispatch.contact import ask_about_replaced
from backend.domain.people import SYSTEM, Role
from backend.identity.devices import revoke
from backend.identity.people import SignedIn, add_person
from backend.keys import load_keys
from backend.store.database import Database
from backend.tables.inbox import InboxItem
from backend.tables.mutations import Mutation
from backend.tables.stops import Stop, StopEvent
from handset import Handset, SignInLost
from handset.wire import Receipt
from sync import cursor
from tests.fixtures.people import PASSWORD
from tests.fixtures.visits import Round, a_round
from tests.handset.clocks import PhoneClock
from tests.handset.conftest import Bench
from tests.handset.console import supervising
from web.console.inbox import ResolveIn, find_item, resolve_item

pytestmark = pytest.mark.anyio


async def _on_the_road(bench: Bench, *segments: str) -> tuple[Handset, Round]:
    """A phone whose driver has a stop in each segment named."""
    made = await a_round(bench.db, *segments)
    phone = bench.phone(clock=PhoneClock(bench.clock))
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    return phone, made


def _told(receipts: list[Receipt]) -> list[tuple[str, str | None, bool]]:
    return [(receipt.outcome, receipt.code, receipt.duplicate) for receipt in receipts]


async def _copied(bench: Bench, phone: Handset) -> Handset:
    """The phone as its operating system's backup has it."""
    phone.journal._disk.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(bench.folder / "phone", bench.folder / "copy")
    return bench.phone("copy", clock=PhoneClock(bench.clock))


async def _events(db: Database, mutation_id: str) -> list[StopEvent]:
    async with db.snapshot() as tx:
        query = select(StopEvent).where(col(StopEvent.mutation_id) == UUID(mutation_id))
        return list(await tx.scalars(query))


async def _asked(db: Database, device_id: str | None) -> list[InboxItem]:
    async with db.snapshot() as tx:
        query = select(InboxItem).where(col(InboxItem.device_id) == UUID(device_id))
        return list(await tx.scalars(query))


async def test_two_phones_of_a_driver_tell_the_same(bench: Bench) -> None:
    """The stop is delivered once; the second telling stands beside the first."""
    first, made = await _on_the_road(bench, "economy")
    second = bench.phone("second", clock=PhoneClock(bench.clock))
    await second.enrol(await bench.code(made.driver))
    await second.sync()
    stop = str(made.stops["economy"])
    for phone in (first, second):
        phone.deliver(stop, recipient=("Ada", "self"))
    assert _told((await first.sync()).receipts) == [("applied", None, False)]
    told = (await second.sync()).receipts
    assert [receipt.outcome for receipt in told] == ["recorded"]
    for phone in (first, second):
        await phone.sync()
        seen = phone.stop(stop)
        assert seen is not None
        assert seen.state == "delivered"


async def test_one_act_from_two_phones_happens_once(bench: Bench) -> None:
    """The same id under two devices is a repeat, whatever number it has there."""
    first, made = await _on_the_road(bench, "economy")
    act = first.arrive(str(made.stops["economy"]))
    await first.sync()
    copy = await _copied(bench, first)
    await copy.enrol(await bench.code(made.driver))
    assert _told((await copy.sync()).receipts) == [("applied", None, True)]
    assert len(await _events(bench.db, act.id)) == 1


async def test_a_restored_phone_finds_out_and_loses_nothing(bench: Bench) -> None:
    """A number is taken by another act: the first stays, the phone enrols and tells all anew."""
    phone, made = await _on_the_road(bench, "economy")
    stop = str(made.stops["economy"])
    copy = await _copied(bench, phone)
    kept = phone.note(stop, "said after the backup")
    await phone.sync()
    acts = [copy.note(stop, "said by the restored phone"), copy.arrive(stop)]
    report = await copy.sync()
    assert _told(report.receipts)[0] == ("quarantined", "fork", False)
    assert (report.forked, copy.must_enrol) == (True, True)
    assert await _events(bench.db, acts[0].id) == []
    (asked,) = await _asked(bench.db, phone.session.device_id)
    assert (asked.kind, asked.state) == ("quarantined", "open")
    bench.clock.advance(days=8)  # a fork outlives the week that acknowledged acts are kept
    copy.journal.prune("2026-12-31T00:00:00.000Z")
    await copy.enrol(await bench.code(made.driver))
    assert not copy.must_enrol
    again = (await copy.sync()).receipts
    assert [receipt.outcome for receipt in again] == ["applied"] * len(again)
    for act in (kept, *acts):
        assert len(await _events(bench.db, act.id)) == 1
    (asked,) = await _asked(bench.db, phone.session.device_id)
    assert (asked.kind, asked.state) == ("quarantined", "resolved")  # it was taken in after all


async def test_of_two_copies_neither_stays_signed_in(bench: Bench) -> None:
    """Both have one refresh token: whoever comes second ends the family; a code mends it."""
    phone, made = await _on_the_road(bench, "economy")
    copy = await _copied(bench, phone)
    bench.clock.advance(minutes=16)
    await phone.sync()
    act = copy.note(str(made.stops["economy"]), "kept")
    with pytest.raises(SignInLost):
        await copy.sync()
    assert (phone.must_enrol, copy.must_enrol) == (False, True)
    bench.clock.advance(minutes=16)
    with pytest.raises(SignInLost):
        await phone.sync()
    await copy.enrol(await bench.code(made.driver))
    await copy.sync()
    assert len(await _events(bench.db, act.id)) == 1


async def test_a_revoked_phone_gets_no_byte_and_its_words_are_kept(bench: Bench) -> None:
    """Everything it still says is quarantined with its bytes; then it holds nothing any more."""
    phone, made = await _on_the_road(bench, "economy")
    stop = str(made.stops["economy"])
    acts = [phone.arrive(stop), phone.deliver(stop, recipient=("Ada", "self"))]
    device_id = phone.session.device_id
    async with bench.db.begin() as tx:
        await revoke(tx, SYSTEM, UUID(device_id))
    report = await phone.sync()
    assert report.wiped
    assert _told(report.receipts) == [("quarantined", "device_revoked", False)] * 2
    assert (phone.stops(), phone.journal.all()) == ([], [])
    async with bench.db.snapshot() as tx:
        query = select(col(Mutation.raw)).where(col(Mutation.device_id) == UUID(device_id))
        assert {bytes(raw) for raw in await tx.scalars(query)} == {act.envelope for act in acts}
    assert len(await _asked(bench.db, device_id)) == 2


async def test_an_app_two_schemas_old_takes_a_snapshot_and_is_heard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cursor says nothing to this release any more; what it did counts all the same."""
    phone, made = await _on_the_road(bench, "economy")
    act = phone.arrive(str(made.stops["economy"]))
    monkeypatch.setattr(cursor, "SCHEMA", cursor.SCHEMA + 2)
    report = await phone.sync()
    assert (report.resets, report.settled) == (1, True)
    assert _told(report.receipts) == [("applied", None, False)]
    assert len(await _events(bench.db, act.id)) == 1
    assert (await phone.sync()).resets == 0


async def test_a_phone_without_clocks_is_heard(bench: Bench) -> None:
    """No ``at``, no ``client``: it happened when it was heard, and says that this is uncertain."""
    phone, made = await _on_the_road(bench, "economy")
    raw: dict[str, Any] = msgspec.json.decode(phone.note(str(made.stops["economy"]), "x").envelope)
    del raw["at"]
    answer = await _post(phone, {"mutations": [_signed(phone, raw)], "pull": False})
    assert answer["receipts"][0]["outcome"] == "applied"
    (event,) = await _events(bench.db, raw["id"])
    assert (event.happened, event.uncertainty_ms) == (bench.clock.now(), None)
    assert event.device_wall is None


async def test_a_reinstall_that_took_events_with_it_is_asked_about_once(bench: Bench) -> None:
    """A phone with unsent events falls silent, and its driver has a new one of the model."""
    lost, made = await _on_the_road(bench, "economy")
    device_id = lost.session.device_id
    bench.clock.advance(minutes=2)
    await _post(lost, {"client": {"pending": 3, "oldest_pending_at": "2026-11-23T07:00:00Z"}})
    bench.clock.advance(minutes=5)
    fresh = bench.phone("fresh", clock=PhoneClock(bench.clock))
    await fresh.enrol(await bench.code(made.driver))
    await fresh.sync()
    for wait, expected in ((10, 0), (60, 1), (60, 0)):
        bench.clock.advance(minutes=wait)
        async with bench.db.begin() as tx:
            assert await ask_about_replaced(tx) == expected
    (item,) = await _asked(bench.db, device_id)
    assert item.kind == "lost_events"
    assert "possibly lost: 3 events" in item.detail
    await lost.sync()  # it only lay in a drawer
    async with bench.db.begin() as tx:
        assert await ask_about_replaced(tx) == 0
    (item,) = await _asked(bench.db, device_id)
    assert item.state == "resolved"


async def test_a_phone_that_only_changed_its_name_lost_nothing(bench: Bench) -> None:
    """It brought its journal along; nobody is asked."""
    phone, made = await _on_the_road(bench, "economy")
    phone.arrive(str(made.stops["economy"]))
    await phone.sync()
    bench.clock.advance(minutes=2)
    await _post(phone, {"client": {"pending": 2}})
    bench.clock.advance(minutes=5)
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    bench.clock.advance(hours=2)
    async with bench.db.begin() as tx:
        assert await ask_about_replaced(tx) == 0


def _signed(phone: Handset, mutation: dict[str, Any]) -> dict[str, Any]:
    """The mutation with the signature of the phone's key over what it says now."""
    mutation.pop("sig", None)
    key = phone.journal._key
    assert key is not None
    return {**mutation, "sig": key.sign(mutation)}


async def _post(phone: Handset, envelope: dict[str, Any]) -> dict[str, Any]:
    answer = await phone.session.call(
        "POST",
        "/sync",
        content=msgspec.json.encode(envelope),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    reply: dict[str, Any] = answer.json()
    return reply


async def test_a_person_takes_over_what_a_revoked_phone_told(bench: Bench) -> None:
    """It is judged as of when it happened; asking twice does it once; the rest stays aside."""
    phone, made = await _on_the_road(bench, "economy")
    stop = str(made.stops["economy"])
    act, idle = phone.deliver(stop, recipient=("Ada", "self")), phone.note(stop, "kept aside")
    happened = bench.clock.now()
    bench.clock.advance(hours=1)
    device_id = phone.session.device_id
    async with bench.db.begin() as tx:
        await revoke(tx, SYSTEM, UUID(device_id))
    await phone.sync()
    items = {str(item.mutation_id): item for item in await _asked(bench.db, device_id)}
    assert items[act.id].actions == ["accepted", "acknowledged"]
    async with supervising(bench, made) as console:
        for action in ("accepted", "accepted"):
            path = f"/console/v1/inbox/{items[act.id].id}/resolve"
            answer = await console.post(path, json={"action": action})
            assert (answer.status_code, answer.json()["state"]) == (200, "resolved")
    (event,) = await _events(bench.db, act.id)
    assert (event.kind, event.happened) == ("stop.delivered", happened)
    assert await _events(bench.db, idle.id) == []
    async with bench.db.snapshot() as tx:
        delivered = await tx.get_one(Stop, UUID(stop))
        query = select(col(Mutation.outcome)).where(col(Mutation.id) == UUID(act.id))
        outcome = (await tx.scalars(query)).one()
    assert (delivered.state, delivered.closed_at, outcome) == ("delivered", happened, "applied")


async def test_what_was_acknowledged_meanwhile_is_not_taken_over(bench: Bench) -> None:
    """Of two who answer at once the first counts: the second one's answer does nothing at all."""
    phone, made = await _on_the_road(bench, "economy")
    act = phone.deliver(str(made.stops["economy"]), recipient=("Ada", "self"))
    device_id = phone.session.device_id
    async with bench.db.begin() as tx:
        await revoke(tx, SYSTEM, UUID(device_id))
        who = await add_person(tx, "first@example.org", Role.COMPLIANCE, [], PASSWORD)
    await phone.sync()
    someone = SignedIn(who, "first@example.org", Role.COMPLIANCE, (), frozenset())
    (row,) = await _asked(bench.db, device_id)
    both_saw = await find_item(bench.db, someone, row.id)
    keys = load_keys(bench.settings.data, log_name=bench.settings.log_name)
    for action in ("acknowledged", "accepted"):
        now = await resolve_item(bench.db, keys, someone, both_saw, ResolveIn(action))
        assert (now.state, now.action) == ("resolved", "acknowledged")
    assert await _events(bench.db, act.id) == []
    async with bench.db.snapshot() as tx:
        query = select(col(Mutation.outcome)).where(col(Mutation.id) == UUID(act.id))
        assert (await tx.scalars(query)).one() == "quarantined"


class _PulledOut(Exception):
    """The battery, in the middle of something."""


async def test_a_phone_that_dies_while_it_changes_its_name_keeps_the_old_one(bench: Bench) -> None:
    """The new identity and the new numbers come together, or neither does."""
    phone, made = await _on_the_road(bench, "economy")
    phone.arrive(str(made.stops["economy"]))
    await phone.sync()
    act = phone.note(str(made.stops["economy"]), "after it")
    before = phone.session.device_id

    def die() -> None:
        raise _PulledOut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phone.base, "forget_cursor", die)
        with pytest.raises(_PulledOut):
            await phone.enrol(await bench.code(made.driver))
    again = bench.phone(clock=PhoneClock(bench.clock))
    assert again.session.device_id == before
    assert [(kept.n, kept.acked) for kept in again.journal.all()] == [(1, True), (2, False)]
    await again.sync()
    assert len(await _events(bench.db, act.id)) == 1
