"""When things happened, on phones whose clocks are set wrong, restarted, or missing."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import select
from sqlmodel import col

from backend.clock import parse_time, rfc3339
from backend.keys import load_keys
from backend.tables.devices import DeviceJournal
from backend.tables.stops import Stop
from handset import Handset
from handset.transport import Patience
from pod.door import customers_code
from sync import clocks
from sync.clockwork import UNHEARD
from tests.fixtures.visits import Round, a_round
from tests.handset.clocks import PhoneClock
from tests.handset.conftest import Bench
from tests.handset.console import looking_on

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


async def _on_the_road(bench: Bench, *, signed: bool = True) -> tuple[Handset, Round, PhoneClock]:
    made = await a_round(bench.db, "economy")
    clock = PhoneClock(bench.clock)
    phone = bench.phone(clock=clock, signed=signed)
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    return phone, made, clock


async def _timeline(bench: Bench, made: Round) -> dict[str, Json]:
    """What the console shows of the stop's events that phones told, by kind."""
    async with looking_on(bench) as console:
        answer = await console.get(f"/console/v1/stops/{made.stops['economy']}/timeline")
    return {item["kind"]: item for item in answer.json()["items"] if item["mutation_id"]}


async def _alerts(bench: Bench, phone: Handset) -> list[Json]:
    async with looking_on(bench) as console:
        answer = await console.get("/console/v1/alerts")
    mine = phone.session.device_id
    return [item for item in answer.json()["items"] if item["device_id"] == mine]


async def _post(phone: Handset, envelope: Json) -> httpx.Response:
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    content = msgspec.json.encode(envelope)
    answer = await phone.session.call("POST", "/sync", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_wall_clock_that_jumps_moves_no_event(bench: Bench) -> None:
    """Three years ahead and back again within a boot; both clocks are shown."""
    phone, made, clock = await _on_the_road(bench)
    stop = str(made.stops["economy"])
    clock.set_wrong(days=1000)
    phone.arrive(stop)
    arrived, wrong = bench.clock.now(), clock.wall()
    bench.clock.advance(minutes=7)
    clock.set_wrong(days=-2000)
    phone.deliver(stop, recipient=("Ada", "self"))
    delivered = bench.clock.now()
    bench.clock.advance(hours=5)
    await phone.sync()
    told = await _timeline(bench, made)
    assert told["stop.arrived"]["happened"] == rfc3339(arrived)
    assert told["stop.arrived"]["device_wall"] == rfc3339(wrong)
    assert told["stop.delivered"]["happened"] == rfc3339(delivered)
    assert told["stop.delivered"]["known"] == rfc3339(bench.clock.now())
    for event in told.values():
        assert event["time_uncertain"] is False
        assert event["uncertainty_ms"] < 5_000


async def test_a_boot_that_was_heard_dates_what_came_after_it(bench: Bench) -> None:
    """The phone was switched off and its clock set wrong before it had a network again."""
    phone, made, clock = await _on_the_road(bench)
    bench.clock.advance(hours=1)
    phone.arrive(str(made.stops["economy"]))
    happened = bench.clock.now()
    bench.clock.advance(hours=1)
    clock.reboot()
    clock.set_wrong(days=-300)
    bench.clock.advance(minutes=3)
    await phone.sync()
    told = (await _timeline(bench, made))["stop.arrived"]
    assert told["happened"] == rfc3339(happened)
    assert told["uncertainty_ms"] < 3_000


async def test_a_slow_road_makes_nothing_certain_that_is_not(bench: Bench) -> None:
    """A call of forty seconds, with nothing to hold it against but what the phone heard before."""
    phone, made, clock = await _on_the_road(bench)
    clock.reboot()
    bench.clock.advance(minutes=1)
    await phone.sync()
    phone.arrive(str(made.stops["economy"]))
    happened = bench.clock.now()
    bench.clock.advance(minutes=1)
    bench.line.travel = lambda: bench.clock.advance(seconds=40)
    await phone.sync()
    told = (await _timeline(bench, made))["stop.arrived"]
    off = parse_time(told["happened"]) - happened
    assert off <= timedelta(milliseconds=told["uncertainty_ms"]) <= timedelta(seconds=41)


async def test_a_wrong_clock_is_told_to_driver_and_console(bench: Bench) -> None:
    """Over five minutes, and only as long as it is so."""
    phone, _, clock = await _on_the_road(bench)
    bench.clock.advance(minutes=2)
    clock.set_wrong(minutes=-6)
    assert [warned.code for warned in (await phone.sync()).warnings] == ["clock_skew"]
    (alert,) = await _alerts(bench, phone)
    assert (alert["kind"], alert["detail"]) == ("clock_skew", "the phone's clock is 6 min slow")
    bench.clock.advance(minutes=2)
    clock.set_wrong(minutes=6)
    assert (await phone.sync()).warnings == []
    assert await _alerts(bench, phone) == []


@pytest.mark.parametrize(
    "wall",
    [
        "1969-12-31T23:00:00Z",
        "2300-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
@pytest.mark.parametrize("acts", [0, 1])
async def test_a_clock_of_another_century_is_told_too(bench: Bench, wall: str, acts: int) -> None:
    """No event is dated by such a year; driver and console hear of the clock all the same."""
    phone, made, _ = await _on_the_road(bench, signed=False)
    bench.clock.advance(minutes=2)
    act: Json = {"id": str(uuid4()), "n": 1, "kind": "stop.arrived", "kind_version": 1}
    act |= {"stop_id": str(made.stops["economy"]), "at": {"wall": wall}}
    said = {"wall": wall, "pending": 2, "oldest_pending_at": "2200-12-31T23:59:59Z"}
    answer = await _post(phone, {"client": said, "pull": False, "mutations": [act][:acts]})
    assert [warned["code"] for warned in answer.json().get("warnings", [])] == ["clock_skew"]
    kinds = [alert["kind"] for alert in await _alerts(bench, phone)]
    assert [kind for kind in kinds if kind == "clock_skew"] == ["clock_skew"]


async def test_events_kept_back_alarm_the_console(bench: Bench) -> None:
    """A phone in contact whose oldest event is four hours old; its own clock may be wrong."""
    phone, made, clock = await _on_the_road(bench)
    bench.clock.advance(hours=5)
    clock.set_wrong(days=30)
    for hours, expected in ((3.9, []), (4.1, ["unsent"])):
        bench.clock.advance(minutes=2)
        oldest = rfc3339(clock.wall() - timedelta(hours=hours))
        said = {"pending": 2, "wall": rfc3339(clock.wall()), "oldest_pending_at": oldest}
        await _post(phone, {"client": said, "pull": False})
        kinds = [alert["kind"] for alert in await _alerts(bench, phone)]
        assert [kind for kind in kinds if kind == "unsent"] == expected
    bench.clock.advance(minutes=2)
    phone.note(str(made.stops["economy"]), "the last of them")
    await phone.sync()
    assert "unsent" not in [alert["kind"] for alert in await _alerts(bench, phone)]


async def test_an_idle_call_writes_nothing(bench: Bench) -> None:
    """Twice within a minute: the second is not even noted, and a right clock needs no word."""
    phone, _, clock = await _on_the_road(bench)
    bench.clock.advance(minutes=2)
    idle: Json = {"cursor": phone.base.cursor, "client": {"boot": clock.boot, "pending": 0}}
    replies, rows = [], []
    for _ in range(2):
        bench.clock.advance(seconds=20)
        now = {"wall": rfc3339(clock.wall()), "monotonic_ms": clock.monotonic_ms()}
        answer = await _post(phone, {**idle, "client": {**idle["client"], **now}})
        replies.append(answer.content)
        async with bench.db.snapshot() as tx:
            mine = col(DeviceJournal.device_id) == UUID(phone.session.device_id)
            rows.append((await tx.scalars(select(DeviceJournal).where(mine))).one().model_dump())
    assert rows[0] == rows[1]
    assert [b"warnings" in reply for reply in replies] == [False, False]


async def test_no_wall_clock_opens_the_window_for_a_correction(bench: Bench) -> None:
    """A device that shows nothing but wall time says he was in time; it was not heard in time."""
    phone, made, clock = await _on_the_road(bench, signed=False)
    stop = str(made.stops["economy"])
    closing = phone.deliver(stop, recipient=("Ada", "self"))
    await phone.sync()
    wall = rfc3339(clock.wall())
    bench.clock.advance(hours=3)
    mended = {
        "corrects": closing.id,
        "reason": "wrong door",
        "becomes": {"kind": "stop.failed", "body": {"reason": "not_home"}},
    }
    mutation: Json = {"id": str(uuid4()), "n": 2, "kind": "stop.corrected", "kind_version": 1}
    mutation |= {"stop_id": stop, "body": mended, "at": {"wall": wall}}
    (receipt,) = (await _post(phone, {"mutations": [mutation], "pull": False})).json()["receipts"]
    assert (receipt["outcome"], receipt["code"]) == ("recorded", "correction_late")
    async with bench.db.snapshot() as tx:
        assert (await tx.get_one(Stop, UUID(stop))).state == "delivered"


async def test_an_app_without_clocks_may_mend_what_was_heard_a_moment_ago(bench: Bench) -> None:
    """Neither act is dated by clocks of ours; both are held against when they were heard."""
    phone, made, clock = await _on_the_road(bench, signed=False)
    stop = str(made.stops["economy"])
    ago = rfc3339(clock.wall() - timedelta(hours=2))
    parcels = [{"parcel_id": str(uuid4()), "outcome": "delivered"}]
    said: Json = {"id": str(uuid4()), "n": 1, "kind": "stop.delivered", "kind_version": 1}
    said |= {"stop_id": stop, "at": {"wall": ago}}
    said |= {"body": {"method": "handed_over", "parcels": parcels}}
    becomes = {"kind": "stop.failed", "body": {"reason": "not_home"}}
    mended: Json = {"id": str(uuid4()), "n": 2, "kind": "stop.corrected", "kind_version": 1}
    mended |= {"stop_id": stop, "at": {"wall": ago}}
    mended |= {"body": {"corrects": said["id"], "reason": "wrong door", "becomes": becomes}}
    answer = await _post(phone, {"mutations": [said, mended], "pull": False})
    assert [each["outcome"] for each in answer.json()["receipts"]] == ["applied", "applied"]


async def test_a_mended_act_in_time_counts_however_late_it_is_heard(bench: Bench) -> None:
    """Within the window by the monotonic clock, and told hours later."""
    phone, made, clock = await _on_the_road(bench)
    stop = str(made.stops["economy"])
    closing = phone.deliver(stop, recipient=("Ada", "self"))
    bench.clock.advance(seconds=30)
    clock.set_wrong(days=20)
    phone.correct(closing.id, "wrong door", "stop.failed", {"reason": "not_home"})
    bench.clock.advance(hours=6)
    outcomes = [receipt.outcome for receipt in (await phone.sync()).receipts]
    assert outcomes == ["applied", "applied"]
    async with bench.db.snapshot() as tx:
        assert (await tx.get_one(Stop, UUID(stop))).state == "failed"


async def test_a_request_that_is_tried_again_shows_the_time_of_its_last_try(bench: Bench) -> None:
    """The first reply is lost, and the phone waits a minute: the event is dated all the same."""
    made = await a_round(bench.db, "economy")
    clock = PhoneClock(bench.clock)

    async def waiting(_seconds: float) -> None:
        bench.clock.advance(minutes=1)

    phone = bench.phone(clock=clock, patience=Patience(attempts=3, sleep=waiting))
    await phone.enrol(await bench.code(made.driver))
    phone.arrive(str(made.stops["economy"]))
    happened = bench.clock.now()
    bench.clock.advance(minutes=20)
    bench.line.losses.extend(["request", None, "request"])
    await phone.sync()
    assert (await _timeline(bench, made))["stop.arrived"]["happened"] == rfc3339(happened)


async def test_a_boot_nobody_heard_of_is_dated_by_the_wall_clock_and_says_so(bench: Bench) -> None:
    """Two reboots between two calls: the wall clock alone knows; it cannot reach too far back."""
    phone, made, clock = await _on_the_road(bench)
    bench.clock.advance(minutes=2)
    await phone.sync()  # nothing is left to tell
    told_all = bench.clock.now()
    clock.reboot()
    phone.arrive(str(made.stops["economy"]))
    happened = bench.clock.now()
    clock.reboot()
    bench.clock.advance(hours=3)
    await phone.sync()
    event = (await _timeline(bench, made))["stop.arrived"]
    assert event["happened"] == rfc3339(happened)
    assert event["uncertainty_ms"] == 60_540
    async with bench.db.snapshot() as tx:
        kept = (await tx.get_one(DeviceJournal, UUID(phone.session.device_id))).clocks
    assert kept is not None
    (now, then) = clocks.read(kept).marks
    assert (now.n, now.sent_after) == (1, bench.clock.now() - UNHEARD)  # the boot's first call
    assert then.n == 0
    assert timedelta() < told_all - then.sent_after < timedelta(milliseconds=10)


@pytest.mark.parametrize("reboots", [0, 1, 2])
async def test_a_code_is_good_for_as_long_as_our_own_clocks_say(bench: Bench, reboots: int) -> None:
    """Given in time and told a day later: it counts where an anchor of that boot says so.

    A boot that no call was heard in has the wall clock alone; then it counts as given when heard.
    """
    keys = load_keys(bench.settings.data, log_name=bench.settings.log_name)
    made = await a_round(bench.db, "premium", keys=keys)
    clock = PhoneClock(bench.clock)
    phone = bench.phone(clock=clock)
    await phone.enrol(await bench.code(made.driver))
    await phone.sync()
    if reboots == 2:
        clock.reboot()
    code, _ = customers_code(keys, made.stops["premium"], 1)
    phone.deliver(str(made.stops["premium"]), recipient=("Ada", "self"), code=code)
    if reboots:
        clock.reboot()
    bench.clock.advance(hours=26)
    (receipt,) = (await phone.sync()).receipts
    found = {finding.code for finding in receipt.findings}
    by_wall = reboots == 2
    assert ("code_expired" in found, "time_uncertain" in found) == (by_wall, by_wall)
    assert receipt.outcome == "applied"


async def test_a_clock_set_in_a_boot_nobody_heard_of_is_in_the_bound(bench: Bench) -> None:
    """Set forward between two acts, switched off, and only then heard: the first act's bound says
    that the wall clock moved and the monotonic one did not.
    """
    made = await a_round(bench.db, "economy")
    clock, stop = PhoneClock(bench.clock), str(made.stops["economy"])
    phone = bench.phone(clock=clock)
    await phone.enrol(await bench.code(made.driver))
    phone.arrive(stop)
    happened = bench.clock.now()
    clock.set_wrong(hours=3)
    phone.deliver(stop, recipient=("Ada", "self"))
    clock.reboot()
    bench.clock.advance(hours=6)
    await phone.sync()
    events = await _timeline(bench, made)
    arrived, delivered = events["stop.arrived"], events["stop.delivered"]
    off = abs(parse_time(arrived["happened"]) - happened)
    assert off <= timedelta(milliseconds=arrived["uncertainty_ms"]) <= timedelta(hours=4)
    assert delivered["happened"] == rfc3339(happened)
    assert timedelta(milliseconds=delivered["uncertainty_ms"]) <= timedelta(minutes=2)
