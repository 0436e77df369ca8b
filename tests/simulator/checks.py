"""What the rows of a history must show, once it has come to rest."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from asyncpg import Record

from tests.simulator.history import History
from tests.simulator.phone import Json
from tests.simulator.truth import Acked, Violated

_ANCHORED = timedelta(seconds=45)  # a wall clock bounds nothing more closely than a minute
_EFFECT = {"applied", "conflict", "recorded"}
_ASKED = {"conflict", "rejected", "quarantined"}


def stops(h: History) -> list[UUID]:
    """The stops of a history."""
    return [UUID(stop) for stop in h.every_stop]


def devices(h: History) -> list[UUID]:
    """Every device there ever was in it."""
    return [UUID(device) for device, _ in h.devices]


def scopes(h: History) -> list[str]:
    """The scopes of its drivers."""
    return [f"driver:{crew.driver}" for crew in h.depots.everybody]


def entities(h: History) -> list[str]:
    """What entries of the log speak of: stops, routes, goods and devices."""
    visits = (*h.depots.visits, *h.depots.published)
    routes = {str(visit.crew.route) for visit in visits} | {
        str(crew.route) for crew in h.depots.everybody
    }
    goods = {str(visit.consignment) for visit in visits}
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
        self.names = tables["names"]
        self.by_event: dict[str, list[Record]] = defaultdict(list)
        for row in self.events:
            if row["mutation_id"] is not None:
                self.by_event[str(row["mutation_id"])].append(row)

    @classmethod
    async def read(cls, h: History) -> "Rows":
        """Read everything."""
        values = {
            "mutations": devices(h),
            "events": stops(h),
            "stops": stops(h),
            "versions": entities(h),
            "inbox": [crew.depot for crew in h.depots.everybody],
            "scopes": scopes(h),
            "feed": scopes(h),
            "journals": devices(h),
            "lost": devices(h),
            "names": stops(h),
        }
        fetch = h.ground.observer.fetch
        return cls({name: await fetch(_QUERIES[name], value) for name, value in values.items()})


_QUERIES = {
    "mutations": "SELECT device_id, n, numbered, id, raw, outcome, code, receipt "
    "FROM mutation WHERE device_id = ANY($1) ORDER BY seq",
    "events": "SELECT stop_id, version, kind, source, actor_id, mutation_id, outcome, happened, "
    "known, uncertainty_ms, body ->> 'to' AS to_state, body ->> 'corrects' AS corrects, "
    "coalesce(body #>> '{becomes,kind}', kind) AS says "
    "FROM stop_event WHERE stop_id = ANY($1) ORDER BY version",
    "stops": "SELECT id, version, state, proof, manifest_driver_id, entry FROM stop "
    "WHERE id = ANY($1)",
    "versions": "SELECT entity_id, max(n) AS n FROM audit_entry WHERE entity_id = ANY($1) "
    "GROUP BY entity_id",
    "inbox": "SELECT kind, subject, mutation_id, state FROM inbox_item WHERE depot_id = ANY($1)",
    "scopes": "SELECT id, v, floor FROM scope WHERE id = ANY($1)",
    "feed": "SELECT scope, type, entity_id, v, gone FROM feed WHERE scope = ANY($1)",
    "journals": "SELECT device_id, acked_n FROM device_journal WHERE device_id = ANY($1)",
    "lost": "SELECT device_id, from_n, to_n FROM lost_range WHERE device_id = ANY($1)",
    "names": "SELECT mutation_id, sha256, counts, wanted, EXISTS (SELECT FROM evidence e WHERE "
    "e.driver_id = r.driver_id AND e.sha256 = r.sha256) AS here "
    "FROM evidence_ref r WHERE stop_id = ANY($1)",
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
    for phone in h.spoke:
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
            if bound is None or bound > _ANCHORED / timedelta(milliseconds=1):
                continue
            off = abs(row["happened"] - acked.said.happened)
            if off > timedelta(milliseconds=bound + 1):
                raise Violated(f"I15: {_named(acked)} is {off} off, and was said to be ±{bound} ms")


def stood(_: History, rows: Rows) -> None:
    """I9: a delivery that its driver did not take back stands, whatever another driver takes back;
    one that all took back does not.
    """
    words: dict[UUID, list[Record]] = defaultdict(list)
    for row in rows.events:
        words[row["stop_id"]].append(row)
    for row in rows.stops:
        told = _standing(words[row["id"]])
        if told is not None and told != (row["state"] == "delivered"):
            stands = "a delivery stands" if told else "no delivery stands"
            raise Violated(f"I9: stop {row['id'].hex[-4:]} is {row['state']}, and {stands}")


def _standing(words: list[Record]) -> bool | None:
    """Whether a delivery of some driver stands; None where the office had the last word."""
    accounts: dict[str, tuple[str, str]] = {}  # by its first mutation: whose, and what it says
    belongs: dict[str, str] = {}
    office = False
    for word in words:
        if word["kind"] == "stop.overridden":
            office = office or word["to_state"] in {"delivered", "failed"}
        if word["source"] != "driver" or word["kind"] not in _ENDINGS:
            continue
        id_, whose, says = str(word["mutation_id"]), word["actor_id"], word["says"]
        root = belongs.get(str(word["corrects"]), "")
        if word["corrects"] is None:
            again = [one for one, said in accounts.items() if said == (whose, says)]
            root = again[0] if again and word["outcome"] == "recorded" else id_
        belongs[id_] = root
        if word["corrects"] is None or word["outcome"] != "recorded":
            accounts[root] = (whose, says)
    return None if office else any(says == "stop.delivered" for _, says in accounts.values())


_ENDINGS = {"stop.delivered", "stop.failed", "stop.corrected"}


def named(_: History, rows: Rows) -> None:
    """I14: the files of any event at a stop are kept in mind, and asked for if the event counts."""
    names = {(str(row["mutation_id"]), row["sha256"]): row for row in rows.names}
    for row in rows.mutations:
        if row["outcome"] not in (*_EFFECT, "rejected"):
            continue
        said: Json = json.loads(row["raw"])
        for file in said.get("evidence", []):
            what, told = f"the file of {said['kind']} {said['n']}", row["outcome"]
            name = names.get((said["id"], file["sha256"]))
            if name is None:
                raise Violated(f"I14: {what}, {told}, is forgotten")
            if name["counts"] != (told in _EFFECT):
                raise Violated(f"I14: {what}, {told}, counts: {name['counts']}")
    for name in rows.names:
        if name["wanted"] != (name["counts"] and not name["here"]):
            raise Violated(f"I14: {name['sha256'][:6]} is wanted: {name['wanted']}")


CHECKS = (kept, once, numbered, counted, shown, asked, timed, stood, named)


def _named(acked: Acked) -> str:
    return f"{acked.said.kind} {acked.said.n} of {acked.device[-4:]}"
