"""At the end of a history faults stop, queues drain, and the rows must show every invariant."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from asyncpg import Record

from tests.simulator import driver, server
from tests.simulator.history import History
from tests.simulator.phone import Json, Phone
from tests.simulator.points import Request
from tests.simulator.truth import Acked, Violated

MOST_ROUNDS = 12
IDLE_STATEMENTS = 2
_ROAD = timedelta(seconds=2)
_EFFECT = {"applied", "conflict", "recorded"}
_ASKED = {"conflict", "rejected", "quarantined"}


async def prove(h: History) -> None:
    """Let everything come to rest, then hold it against the invariants."""
    await server.upgrade(h)
    await drain(h)
    await agree(h)
    await idle(h)
    counted = await count(h)
    await say_everything_again(h)
    if (after := await count(h)) != counted:
        raise Violated(f"I2: saying everything again changed {counted} to {after}")
    rows = await Rows.read(h)
    for check in CHECKS:
        check(h, rows)
    await snapshots_agree(h)
    await intact(h)


async def drain(h: History) -> None:
    """L1: without faults, every queue empties within a few rounds."""
    for phone in h.live:
        rounds = 0
        while phone.pending or phone.forked:
            rounds += 1
            if rounds > MOST_ROUNDS:
                waits = [said.n for said in phone.pending]
                raise Violated(f"L1: {h.name(phone)} still has {waits} after {rounds} rounds")
            if phone.forked:
                await driver.enrol_anew(h, phone, saves=True)
            await h.sync(phone)
            if phone.wiped:
                break


async def agree(h: History) -> None:
    """I7: after at most two more rounds all phones of a driver hold the same."""
    await server.judge(h)
    for phone in _spoke(h):
        for _ in range(2):
            if phone.forked:
                await driver.enrol_anew(h, phone, saves=True)
            reply = await h.sync(phone)
            if phone.wiped or (reply and not reply["more"]):
                break
        else:
            raise Violated(f"I7: {h.name(phone)} does not come to rest")
    held: dict[str, Phone] = {}
    for phone in _spoke(h):
        if phone.device in h.truth.revoked:
            continue
        first = held.setdefault(phone.driver, phone)
        if first.base != phone.base:
            raise Violated(f"I7: {h.name(first)} and {h.name(phone)} hold different things")


async def idle(h: History) -> None:
    """I22: whoever has all costs few statements, and nothing is written."""
    phones = [phone for phone in _spoke(h) if phone.device not in h.truth.revoked]
    if phones:
        phone, request = h.dice.pick(phones), Request()
        await h.sync(phone, request)
        if request.writes or request.statements > IDLE_STATEMENTS:
            told = f"{request.statements} statements, {request.writes} of them write"
            raise Violated(f"I22: {h.name(phone)} had everything, and cost {told}")


def _spoke(h: History) -> list[Phone]:
    """The phones that ever had an answer; the others have nothing to show."""
    return [phone for phone in h.live if phone.epoch is not None]


async def count(h: History) -> dict[str, int]:
    """Count what a repetition must not change."""
    row = await h.ground.observer.fetchrow(
        "SELECT (SELECT count(*) FROM audit_entry WHERE entity_id = ANY($1)) AS entries, "
        "(SELECT count(*) FROM stop_event WHERE stop_id = ANY($2)) AS events, "
        "(SELECT count(*) FROM mutation WHERE device_id = ANY($3)) AS mutations, "
        "(SELECT count(*) FROM inbox_item WHERE depot_id = ANY($4)) AS asked, "
        "(SELECT coalesce(sum(v), 0) FROM scope WHERE id = ANY($5)) AS versions",
        _entities(h),
        _stops(h),
        _devices(h),
        [crew.depot for crew in h.depots.everybody],
        _scopes(h),
    )
    assert row is not None
    return dict(row)


async def say_everything_again(h: History) -> None:
    """I2: a phone repeats all that it ever sent."""
    speakers = [phone for phone in h.live if phone.journal]
    if speakers:
        phone = h.dice.pick(speakers)
        h.tell(f"{h.name(phone)} says everything again")
        sent = h.write(phone, sorted(phone.journal, key=lambda said: said.n), pull=False)
        h.hear(sent, await h.deliver(sent))


async def snapshots_agree(h: History) -> None:
    """I6: what deltas brought is what a snapshot brings."""
    trusted = [phone for phone in _spoke(h) if phone.device not in h.truth.revoked]
    if not trusted:
        return
    phone = h.dice.pick(trusted)
    fresh = Phone(phone.device, phone.driver, phone.clocks, phone.last_n, epoch=phone.epoch)
    await h.sync(fresh)
    if fresh.base != phone.base:
        raise Violated(f"I6: {h.name(phone)} holds other than a snapshot: {_diff(phone, fresh)}")


def _diff(one: Phone, other: Phone) -> str:
    keys = {*one.base, *other.base}
    told = [
        f"{type_} {id_[-4:]}"
        for type_, id_ in sorted(keys)
        if one.base.get((type_, id_)) != other.base.get((type_, id_))
    ]
    return ", ".join(told)


def _stops(h: History) -> list[UUID]:
    return [UUID(stop) for stop in h.every_stop]


def _devices(h: History) -> list[UUID]:
    return [UUID(device) for device, _ in h.devices]


def _scopes(h: History) -> list[str]:
    return [f"driver:{crew.driver}" for crew in h.depots.everybody]


def _entities(h: History) -> list[str]:
    stops = (*h.depots.visits, *h.depots.published)
    routes = {str(visit.crew.route) for visit in stops} | {
        str(crew.route) for crew in h.depots.everybody
    }
    goods = {str(visit.consignment) for visit in stops}
    return [*h.every_stop, *routes, *goods, *(device for device, _ in h.devices)]


class Rows:
    """What the database holds of a history."""

    def __init__(self, tables: Mapping[str, list[Record]]) -> None:
        self.mutations = tables["mutations"]
        self.events = tables["events"]
        self.stops = tables["stops"]
        self.versions = {row["entity_id"]: row["n"] for row in tables["versions"]}
        self.inbox = tables["inbox"]
        self.scopes = tables["scopes"]
        self.feed = tables["feed"]
        self.journals = {str(row["device_id"]): row["acked_n"] for row in tables["journals"]}
        self.lost = tables["lost"]
        self.by_event: dict[str, list[Record]] = defaultdict(list)
        for row in self.events:
            if row["mutation_id"] is not None:
                self.by_event[str(row["mutation_id"])].append(row)

    @classmethod
    async def read(cls, h: History) -> "Rows":
        """Read everything."""
        drivers, devices, stops = _scopes(h), _devices(h), _stops(h)
        values = {
            "mutations": devices,
            "events": stops,
            "stops": stops,
            "versions": _entities(h),
            "inbox": [crew.depot for crew in h.depots.everybody],
            "scopes": drivers,
            "feed": drivers,
            "journals": devices,
            "lost": devices,
        }
        fetch = h.ground.observer.fetch
        return cls({name: await fetch(_QUERIES[name], value) for name, value in values.items()})


_QUERIES = {
    "mutations": "SELECT device_id, n, numbered, id, raw, outcome, code, receipt "
    "FROM mutation WHERE device_id = ANY($1) ORDER BY seq",
    "events": "SELECT stop_id, version, kind, source, mutation_id, outcome, happened, known, "
    "uncertainty_ms FROM stop_event WHERE stop_id = ANY($1)",
    "stops": "SELECT id, version, state, proof, manifest_driver_id, entry FROM stop "
    "WHERE id = ANY($1)",
    "versions": "SELECT entity_id, max(n) AS n FROM audit_entry WHERE entity_id = ANY($1) "
    "GROUP BY entity_id",
    "inbox": "SELECT kind, subject, mutation_id, state FROM inbox_item WHERE depot_id = ANY($1)",
    "scopes": "SELECT id, v, floor FROM scope WHERE id = ANY($1)",
    "feed": "SELECT scope, type, entity_id, v, gone FROM feed WHERE scope = ANY($1)",
    "journals": "SELECT device_id, acked_n FROM device_journal WHERE device_id = ANY($1)",
    "lost": "SELECT device_id, from_n, to_n FROM lost_range WHERE device_id = ANY($1)",
}


def kept(h: History, rows: Rows) -> None:
    """I1, I16: every byte of what was acknowledged is there."""
    held = {(str(row["device_id"]), row["raw"]): row for row in rows.mutations}
    for acked in h.truth.acked.values():
        row = held.get((acked.device, acked.said.raw))
        if row is None:
            raise Violated(f"I1: {_named(acked)} was acknowledged and is not there")
        was, is_ = acked.receipt["outcome"], row["outcome"]
        if was not in (is_, "held"):
            raise Violated(f"I3: {_named(acked)} was told {was} and is {is_}")


def once(h: History, rows: Rows) -> None:
    """I2, I9: what took effect on a stop is on its timeline, exactly once."""
    for id_, events in rows.by_event.items():
        if len(events) > 1:
            raise Violated(f"I2: mutation {id_[-4:]} is {len(events)} times on a timeline")
    for acked in h.truth.acked.values():
        effect = acked.receipt["outcome"] in _EFFECT and acked.said.stop is not None
        if effect and acked.said.id not in rows.by_event:
            raise Violated(f"I9: {_named(acked)} took effect and is on no timeline")


def numbered(h: History, rows: Rows) -> None:
    """I3: numbers are a contiguous prefix, but for ranges that were declared lost."""
    taken: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows.mutations:
        if row["numbered"]:
            taken[str(row["device_id"])][row["n"]] += 1
    for row in rows.lost:
        lost = range(row["from_n"] + 1, row["to_n"] + 1)
        taken[str(row["device_id"])].update(lost)
    for device, acked_n in rows.journals.items():
        if device in h.truth.revoked:
            continue
        expected = Counter(range(1, acked_n + 1))
        if taken[device] != expected:
            wrong = sorted((taken[device] - expected) + (expected - taken[device]))
            raise Violated(f"I3: device {device[-4:]} at {acked_n}: numbers {wrong} are wrong")


def counted(_: History, rows: Rows) -> None:
    """I19: no version without its entry, no number of a scope without its feed row."""
    for row in rows.stops:
        if row["version"] != rows.versions.get(str(row["id"])):
            raise Violated(f"I19: stop {row['id'].hex[-4:]} has a version without an entry")
    newest: dict[str, int] = defaultdict(int)
    for row in rows.feed:
        newest[row["scope"]] = max(newest[row["scope"]], row["v"])
    for row in rows.scopes:
        if row["v"] != max(newest[row["id"]], row["floor"]):
            told = f"stands at {row['v']}, its newest row at {newest[row['id']]}"
            raise Violated(f"I19: {row['id'][-4:]} {told}")


def shown(h: History, rows: Rows) -> None:
    """I4, I7, I8: a phone holds exactly what is its driver's, as it is now."""
    for phone in _spoke(h):
        if phone.device in h.truth.revoked:
            continue
        mine = {
            str(row["id"]): (row["version"], row["state"], row["proof"])
            for row in rows.stops
            if str(row["manifest_driver_id"]) == phone.driver
        }
        held = {
            id_: (data["version"], data["state"], data["proof"])
            for (type_, id_), (_, data) in phone.base.items()
            if type_ == "stop"
        }
        if mine != held:
            raise Violated(f"I4: {h.name(phone)} holds {held}, its driver has {mine}")


def asked(h: History, rows: Rows) -> None:
    """I12: whatever a person has to look at has exactly one item; what is sound has none."""
    items: Counter[str] = Counter()
    for row in rows.inbox:
        if row["mutation_id"] is not None and row["kind"] in _ABOUT_MUTATIONS:
            items[str(row["mutation_id"])] += 1
    outcomes: dict[str, list[Json]] = defaultdict(list)
    for row in rows.mutations:
        if row["id"] is not None:
            outcomes[str(row["id"])].append(json.loads(row["receipt"]))
    for acked in h.truth.acked.values():
        receipt = acked.receipt
        if receipt["outcome"] in _ASKED and not items[acked.said.id]:
            raise Violated(f"I12: nobody was asked about {_named(acked)}: {receipt}")
        told = outcomes[acked.said.id]
        if items[acked.said.id] > max(1, len(told)):
            raise Violated(f"I12: {items[acked.said.id]} items about {_named(acked)}")


_ABOUT_MUTATIONS = {"conflict", "rejected", "quarantined", "unknown_stop"}


def timed(h: History, rows: Rows) -> None:
    """I15: within a boot the estimate is true whatever the wall clock says, and never too late."""
    for row in rows.events:
        if row["happened"] > row["known"]:
            raise Violated("I15: something happened after it was known")
    for acked in h.truth.acked.values():
        for row in rows.by_event[acked.said.id]:
            bound = row["uncertainty_ms"]
            if bound is None or bound > _ROAD / timedelta(milliseconds=1):
                continue
            off = abs(row["happened"] - acked.said.happened)
            if off > timedelta(milliseconds=bound + 1):
                raise Violated(f"I15: {_named(acked)} is {off} off, and was said to be ±{bound} ms")


async def intact(h: History) -> None:
    """I13, I14: what was verified is there, byte for byte."""
    if not h.uploaded:
        return
    rows = await h.ground.observer.fetch(
        "SELECT driver_id, sha256 FROM evidence WHERE driver_id = ANY($1)",
        [crew.driver for crew in h.depots.everybody],
    )
    entered = {(str(row["driver_id"]), row["sha256"]) for row in rows}
    if missing := h.uploaded - entered:
        raise Violated(f"I13: {sorted(missing)} was uploaded and is not there")
    blobs = h.ground.apps[0].state["ground"].blobs
    for _, hashed in sorted(entered):
        content = b"".join([piece async for piece in blobs.read(hashed)])
        if sha256(content).hexdigest() != hashed or content != h.files[hashed]:
            raise Violated(f"I13: the bytes of {hashed[:6]} are others")


CHECKS = (kept, once, numbered, counted, shown, asked, timed)


def _named(acked: Acked) -> str:
    return f"{acked.said.kind} {acked.said.n} of {acked.device[-4:]}"
