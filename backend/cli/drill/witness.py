"""Who is asked after the day: the phones' own disks, and the server by every door it has.

The phones say what was recorded and what was acknowledged to them. The server says what it has, by
`have`, by its timelines, by its inbox, and by the log that it exports and signs.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import msgspec

from backend.audit import verify
from backend.cli.day.control_room import ControlRoom, Happening
from backend.cli.drill.faults import LATEST_S
from backend.cli.drill.muster import Company
from backend.cli.drill.phone import Life
from backend.cli.drill.rider import Rider
from handset import Handset
from handset.base import digest
from handset.disk import Disk
from handset.journal import Journal, Kept
from handset.wire import Put, Receipt, Reply

_SYNCS = 10
_AT_ONCE = 4
# Between a phone's look at its clock and its first byte, where a whole fleet shares one process.
_AT_THE_PHONE_S = 1.0
Effect = tuple[str, str, str, str]  # cause, entity, its id, action


@dataclass(frozen=True, slots=True)
class Act:
    """What a driver did, as one life of his phone remembers it."""

    phone: int
    driver: str
    life: int
    life_is_over: bool
    is_found: bool
    n: int
    id: str
    kind: str
    stop_id: str | None
    acked: bool
    receipt: Receipt | None
    # When it truly happened, if the phone's clocks can still tell.
    truly: datetime | None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A phone's copy of the server's word beside a fresh snapshot."""

    phone: int
    own: str
    said: str | None
    fresh: str
    # Entities of the same version with other content.
    differ: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether phone, server and snapshot hold the same."""
        return self.own == self.fresh == self.said and not self.differ


@dataclass(slots=True)
class Heard:
    """Everything that was said."""

    # How long a request may have been under way.
    on_the_way: timedelta = timedelta()
    acts: list[Act] = field(default_factory=list)
    # Files that phones were told are verified.
    files: set[str] = field(default_factory=set)
    files_waiting: int = 0
    mirrors: list[Mirror] = field(default_factory=list)
    had: set[str] = field(default_factory=set)
    events: list[Happening] = field(default_factory=list)
    stops_unseen: set[str] = field(default_factory=set)
    # Kinds of inbox items, by the mutation they are about.
    inbox: dict[str, list[str]] = field(default_factory=dict)
    inbox_kinds: Counter[str] = field(default_factory=Counter)
    leaves: Counter[str] = field(default_factory=Counter)
    effects: Counter[Effect] = field(default_factory=Counter)
    evidence: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    audit: str = "not verified"


async def settle(company: Company) -> None:
    """Bring every phone to rest: all is said, and it holds what a fresh snapshot holds.

    What a late photo did to its stop is pulled only after the photo went up, so that a phone which
    has nothing more to say may still have something to hear.
    """
    for rider in company.riders:
        await _settle(rider)
        await _hold_up_a_mirror(rider)


def promised(company: Company) -> list[str]:
    """The acts acknowledged to phones that are switched on, at stops that these hold, by id."""
    found = []
    for handset in (rider.handset for rider in company.riders):
        held = {stop.id for stop in handset.stops()}
        found += [act.id for act in handset.journal.all() if act.acked and act.stop_id in held]
    return found


async def hear(company: Company) -> Heard:
    """Ask everybody."""
    heard = Heard(timedelta(seconds=company.traffic.slowest_s + LATEST_S + _AT_THE_PHONE_S))
    for rider in company.riders:
        await _settle(rider)
    await _hear_the_log(company, heard)
    for rider in company.riders:
        await _hear_phone(rider, heard)
    await _hear_timelines(company, heard)
    for item in await company.rooms["admin"].inbox(state=None):
        heard.inbox_kinds[item.kind] += 1
        if item.mutation_id:
            heard.inbox.setdefault(item.mutation_id, []).append(item.kind)
    return heard


async def _settle(rider: Rider) -> None:
    """On a good road, until there is nothing left to say or hear."""
    for _ in range(_SYNCS):
        report = await rider.handset.sync()
        await rider.handset.upload()
        if report.settled and not rider.handset.pending:
            return


# --- phones --------------------------------------------------------------------------------------


async def _hear_phone(rider: Rider, heard: Heard) -> None:
    for life in rider.phone.lives:
        _read_disk(rider, life, heard)
    heard.files_waiting += rider.handset.unsent_photos
    ids = sorted({act.id for act in heard.acts if act.phone == rider.phone.number})
    heard.had |= await rider.handset.lanes.have(ids)
    heard.mirrors.append(await _hold_up_a_mirror(rider))


def _read_disk(rider: Rider, life: Life, heard: Heard) -> None:
    disk = Disk(life.folder / "handset.db")
    try:
        heard.acts += [_act(rider, life, kept) for kept in Journal(disk).all()]
        rows = disk.db.execute("SELECT sha256 FROM evidence WHERE state IN ('verified', 'freed')")
        heard.files |= {str(sha256) for (sha256,) in rows}
    finally:
        disk.close()


class _At(msgspec.Struct):
    boot: str
    monotonic_ms: int


class _Stamped(msgspec.Struct):
    at: _At


def _act(rider: Rider, life: Life, kept: Kept) -> Act:
    at = msgspec.json.decode(kept.envelope, type=_Stamped).at
    return Act(
        phone=life.phone,
        driver=rider.driver.name,
        life=life.number,
        life_is_over=life.is_over,
        is_found=life.is_found,
        n=kept.n,
        id=kept.id,
        kind=kept.kind,
        stop_id=kept.stop_id,
        acked=kept.acked,
        receipt=kept.receipt,
        truly=rider.phone.clock.truth(at.boot, at.monotonic_ms),
    )


async def _hold_up_a_mirror(rider: Rider) -> Mirror:
    """Bring the phone up to date and compare it with a snapshot; again, if things still move."""
    mirror = Mirror(rider.phone.number, "", None, "never heard")
    for _ in range(_SYNCS):
        await rider.handset.sync()
        mirror = await _mirror(rider.phone.number, rider.handset)
        if mirror.agrees:
            break
    return mirror


async def _mirror(number: int, handset: Handset) -> Mirror:
    said, fresh = await _snapshot(handset)
    own = handset.base.versions()
    differ = tuple(
        f"{kind} {entity_id} v{put.v}"
        for (kind, entity_id), put in fresh.items()
        if own.get((kind, entity_id)) == put.v
        and handset.base.get(kind, entity_id, object) != msgspec.json.decode(put.data)
    )
    versions = [(kind, entity_id, put.v) for (kind, entity_id), put in fresh.items()]
    return Mirror(number, handset.base.digest(), said, digest(versions), differ)


async def _snapshot(handset: Handset) -> tuple[str | None, dict[tuple[str, str], Put]]:
    """What a phone with nothing on it would be told, and the digest that comes with it."""
    held: dict[tuple[str, str], Put] = {}
    cursor = None
    while True:
        body = msgspec.json.encode({"cursor": cursor, "pull": True, "mutations": []})
        headers = {"content-type": "application/json"}
        answer = await handset.session.call("POST", "/sync", content=body, headers=headers)
        reply = msgspec.json.decode(answer.content, type=Reply)
        held = {} if reply.reset else held
        held |= {(put.type, put.id): put for put in reply.puts}
        for gone in reply.removes:
            held.pop((gone.type, gone.id), None)
        cursor = reply.cursor
        if not reply.more:
            return reply.digest, held


# --- the server ----------------------------------------------------------------------------------


async def _hear_timelines(company: Company, heard: Heard) -> None:
    """Every stop that any act names, or any route holds."""
    room = company.rooms["admin"]
    stops = {act.stop_id for act in heard.acts if act.stop_id is not None}
    for route in await room.routes(company.date, company.office.depot):
        stops |= {stop.id for stop in route.stops}
    waiting = sorted(stops)
    async with anyio.create_task_group() as group:
        for start in range(_AT_ONCE):
            group.start_soon(_hear_stops, room, waiting[start::_AT_ONCE], heard)


async def _hear_stops(room: ControlRoom, stops: Iterable[str], heard: Heard) -> None:
    for stop_id in stops:
        heard.events += await room.timeline(stop_id)


async def _hear_the_log(company: Company, heard: Heard) -> None:
    """Export the log as compliance would, and verify it as a stranger would."""
    room = company.rooms["compliance"]
    start, end = company.began - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5)
    bundle = await room.export(_moment(start), _moment(end))
    key = await room.log_key()
    report = await anyio.to_thread.run_sync(_verified, bundle, key)
    heard.audit = "ok" if report.code == verify.OK else report.text
    heard.entries = report.tree_size
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        _read_entries(archive.read("entries.jsonl"), heard)
        for row in archive.read("evidence.csv").decode().splitlines()[1:]:
            sha256, size, *_ = row.split(",")
            heard.evidence[sha256] = int(size)


def _verified(bundle: bytes, key: bytes) -> verify.Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(bundle)
        return verify.verify(path, key)


def _read_entries(lines: bytes, heard: Heard) -> None:
    for line in lines.splitlines():
        heard.leaves[hashlib.sha256(b"\0" + line).hexdigest()] += 1
        entry = json.loads(line)
        cause = str(entry.get("cause") or "")
        if cause.startswith("mutation:"):
            mutation_id = cause.removeprefix("mutation:")
            heard.effects[mutation_id, entry["entity"], entry["entity_id"], entry["action"]] += 1


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
