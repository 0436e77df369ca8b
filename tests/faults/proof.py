"""What the phones' own journals prove about the server, once it is quiet.

Nothing here asks the server what it did; its tables are held against what phones were told.
"""

import hashlib
import io
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from backend.audit import verify as verifier
from backend.audit.checkpoint import signer_of
from backend.audit.export import Asked, export
from backend.blobs import open_blobs, read_bytes
from backend.domain.people import SYSTEM
from backend.keys import load_keys
from backend.settings import Settings
from backend.store.database import Database, Tx
from backend.tables.stops import Stop
from handset import Handset
from handset.journal import Kept
from pod.service import settle
from tests.faults.work import Supervisor


@dataclass
class Proof:
    """What was found; every list but the counts must be empty."""

    acts: int = 0
    acked: int = 0
    photos: int = 0
    overrides: int = 0
    entries: int = 0
    # An acknowledged act, file or override that is not there as it was sent.
    lost: list[str] = field(default_factory=list)
    # The same that is there twice.
    doubled: list[str] = field(default_factory=list)
    # Chains, numbers, versions, states that do not hold together.
    broken: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        return [
            f"{kind}: {what}"
            for kind in ("lost", "doubled", "broken")
            for what in getattr(self, kind)[:20]
        ]


async def prove(
    db: Database, settings: Settings, phones: Iterable[Handset], office: Iterable[Supervisor] = ()
) -> Proof:
    """Hold the server's tables against the phones' journals and the office's memory."""
    proof = Proof()
    for phone in phones:
        async with db.snapshot() as tx:
            await _journal(tx, phone, proof)
            await _files(tx, phone, settings, proof)
    async with db.snapshot() as tx:
        for person in office:
            await _overrides(tx, person, proof)
        await _timeline(tx, proof)
        await _chains(tx, proof)
        await _counters(tx, proof)
    await _verdicts(db, proof)
    await _log(db, settings, proof)
    return proof


async def _journal(tx: Tx, phone: Handset, proof: Proof) -> None:
    acts = phone.journal.all()
    proof.acts += len(acts)
    proof.acked += sum(act.acked for act in acts)
    if [act.n for act in acts] != list(range(1, len(acts) + 1)):
        proof.broken.append(f"{phone.session.device_id}: the phone's numbers have gaps")
    known = await _rows(
        tx,
        "SELECT n, id, raw, outcome, receipt->>'entry' AS entry FROM mutation "
        "WHERE device_id = :device AND numbered ORDER BY n",
        device=UUID(str(phone.session.device_id)),
    )
    if [row["n"] for row in known] != list(range(1, len(known) + 1)):
        proof.broken.append(f"{phone.session.device_id}: the server's numbers have gaps")
    by_id = {str(row["id"]): row for row in known}
    effects = await _effects(tx, [act.id for act in acts])
    for act in acts:
        _act(act, by_id.get(act.id), effects, proof)


def _act(
    act: Kept, row: dict[str, object] | None, effects: Counter[tuple[str, str]], proof: Proof
) -> None:
    if not act.acked or act.receipt is None:
        proof.broken.append(f"{act.n} {act.kind}: never acknowledged")
        return
    if row is None or row["raw"] != act.envelope or row["n"] != act.n:
        proof.lost.append(f"{act.n} {act.kind} {act.id}: not kept as it was sent")
        return
    told = (act.receipt.outcome, act.receipt.entry)
    if told != (row["outcome"], row["entry"]):
        proof.broken.append(f"{act.n} {act.kind}: told {told}, kept {row['outcome']}")
    takes_effect = act.receipt.outcome in {"applied", "conflict", "recorded"}
    for effect, most in (("event", 1), ("entry", 1)):
        found = effects[effect, act.id]
        wanted = takes_effect and (effect == "entry" or act.stop_id is not None)
        if found < wanted:
            proof.lost.append(f"{act.n} {act.kind} {act.id}: acknowledged without {effect}")
        if found > most:
            proof.doubled.append(f"{act.n} {act.kind} {act.id}: {found} times {effect}")


async def _effects(tx: Tx, ids: list[str]) -> Counter[tuple[str, str]]:
    """Count what each mutation left behind: events of timelines, entries of the log."""
    events = await _rows(
        tx,
        "SELECT mutation_id::text AS id, count(*) AS times FROM stop_event "
        "WHERE mutation_id = ANY(CAST(:ids AS uuid[])) GROUP BY 1",
        ids=ids,
    )
    # What a driver did himself: what follows from it (a consignment, a proof) is another actor's
    # or another entity's entry with the same cause.
    entries = await _rows(
        tx,
        "SELECT e.cause, max(e.times) AS times FROM (SELECT convert_from(leaf, 'UTF8')::jsonb"
        "->>'cause' AS cause, entity, entity_id, action, count(*) AS times FROM audit_entry "
        "GROUP BY 1, 2, 3, 4) AS e WHERE e.cause = ANY(:causes) GROUP BY 1",
        causes=[f"mutation:{id_}" for id_ in ids],
    )
    counted: Counter[tuple[str, str]] = Counter()
    counted.update({("event", str(row["id"])): int(str(row["times"])) for row in events})
    counted.update(
        {("entry", str(row["cause"]).partition(":")[2]): int(str(row["times"])) for row in entries}
    )
    return counted


async def _files(tx: Tx, phone: Handset, settings: Settings, proof: Proof) -> None:
    """Every file that the phone took for verified is kept once, entered once, and whole."""
    blobs = open_blobs(settings)
    taken = phone._disk.db.execute(
        "SELECT sha256, size FROM evidence WHERE state IN ('verified', 'freed')"
    ).fetchall()
    rows = await _rows(
        tx,
        "SELECT sha256, size FROM evidence WHERE driver_id = :driver",
        driver=UUID(str(phone.session.driver_id)),
    )
    kept = {str(row["sha256"]): row["size"] for row in rows}
    for sha256, size in taken:
        proof.photos += 1
        if kept.get(sha256) != size:
            proof.lost.append(f"file {sha256}: verified, and not in the table")
        elif await blobs.size(sha256) != size:
            proof.lost.append(f"file {sha256}: verified, and not in the store")
        elif hashlib.sha256(await read_bytes(blobs, sha256)).hexdigest() != sha256:
            proof.broken.append(f"file {sha256}: other bytes")


async def _overrides(tx: Tx, person: Supervisor, proof: Proof) -> None:
    rows = await _rows(
        tx,
        "SELECT idempotency_key AS key, count(*) AS times FROM override "
        "WHERE idempotency_key = ANY(:keys) GROUP BY 1",
        keys=sorted(person.asked),
    )
    found = {str(row["key"]): row["times"] for row in rows}
    proof.overrides += len(person.granted)
    proof.lost += [f"override {key}" for key in person.granted - found.keys()]
    proof.doubled += [f"override {key}" for key, times in found.items() if times != 1]
    proof.broken += person.strange


async def _timeline(tx: Tx, proof: Proof) -> None:
    """A stop's events carry its versions without a gap, and no version twice."""
    rows = await _rows(
        tx,
        "SELECT s.id, s.version, array_agg(e.version ORDER BY e.version) AS seen "
        "FROM stop s JOIN stop_event e ON e.stop_id = s.id GROUP BY 1, 2",
    )
    proof.broken += [
        f"stop {row['id']}: version {row['version']}, events {row['seen']}"
        for row in rows
        if row["seen"] != list(range(1, int(str(row["version"])) + 1))
    ]


async def _verdicts(db: Database, proof: Proof) -> None:
    """Weighing every proof once more, with all that is there now, changes none."""
    async with db.snapshot() as tx:
        closed = await _rows(
            tx, "SELECT id, proof FROM stop WHERE state IN ('delivered', 'failed')"
        )
    for row in closed:
        stop_id = UUID(str(row["id"]))
        async with db.begin() as tx:
            await settle(tx, SYSTEM, stop_id)
            stop = await tx.get_one(Stop, stop_id)
            if stop.proof != row["proof"]:
                proof.broken.append(f"stop {stop_id}: proof {row['proof']}, really {stop.proof}")


async def _chains(tx: Tx, proof: Proof) -> None:
    """Each row's entries are numbered without a gap, up to the row's version, and end in it."""
    rows = await _rows(
        tx,
        "SELECT entity, entity_id, count(*) AS entries, min(n) AS first, max(n) AS last, "
        "count(DISTINCT n) AS numbers FROM audit_entry GROUP BY 1, 2",
    )
    proof.broken += [
        f"{row['entity']} {row['entity_id']}: entries {row['first']}..{row['last']}"
        for row in rows
        if not (row["first"] == 1 and row["last"] == row["entries"] == row["numbers"])
    ]
    for table in ("stop", "route", "device", "override", "evidence"):
        rows = await _rows(
            tx,
            f"SELECT t.id FROM {table} t WHERE NOT EXISTS (SELECT FROM audit_entry e WHERE "  # noqa: S608 - names above
            "e.entity_id = t.id::text AND e.n = t.version AND e.leaf_hash = t.entry)",
        )
        proof.broken += [f"{table} {row['id']}: the row is not its last entry" for row in rows]


async def _counters(tx: Tx, proof: Proof) -> None:
    """A scope's counter is the number of its latest change: never ahead of it, never behind."""
    rows = await _rows(
        tx,
        "SELECT s.id, s.v, max(f.v) AS newest FROM scope s LEFT JOIN feed f ON f.scope = s.id "
        "WHERE s.id LIKE 'driver:%' GROUP BY 1, 2 HAVING s.v IS DISTINCT FROM max(f.v)",
    )
    proof.broken += [f"{row['id']}: counter {row['v']}, feed {row['newest']}" for row in rows]


async def _log(db: Database, settings: Settings, proof: Proof) -> None:
    """Seal everything, export it, and let the stranger's verifier judge it."""
    signer = signer_of(load_keys(settings.data, log_name=settings.log_name))
    now = datetime.now(UTC)
    asked = Asked(now - timedelta(days=2), now + timedelta(days=2), evidence=True)
    out = io.BytesIO()
    span = await export(db, signer, open_blobs(settings), asked, out)
    report = _judged(out.getvalue(), signer.key.text.encode())
    proof.entries = span.count
    if report.code != verifier.OK:
        proof.broken.append(f"the log: {report}")
    async with db.snapshot() as tx:
        left = await _rows(tx, "SELECT count(*) AS entries FROM audit_pending")
    if left[0]["entries"]:
        proof.broken.append(f"{left[0]['entries']} entries are never sealed")


def _judged(content: bytes, key: bytes) -> verifier.Report:
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bundle.zip")
        bundle.write_bytes(content)
        return verifier.verify(bundle, key)


async def _rows(tx: Tx, query: str, **given: object) -> list[dict[str, object]]:
    return [dict(row) for row in (await tx.execute(text(query), given)).mappings()]
