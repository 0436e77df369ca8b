"""Measure the audit log: entries made, sequenced and verified per second, beside bare hashing.

Run as ``python bench/audit.py [entries]``; it brings its own PostgreSQL (fsync on) in a temporary
folder. Absolute figures depend on the machine; the last column relates each to hashing alone.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from backend.audit import verify as v
from backend.audit.checkpoint import signer
from backend.audit.entry import ActorRef, Entry, canonical
from backend.audit.export import Asked, export
from backend.audit.seal import seal
from backend.blobs import FolderBlobs
from backend.cli import schema
from backend.embedded import running
from backend.ids import new_id
from backend.store.database import Database

SIGNER = signer("doorstep/bench", bytes(32))
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


def made(count: int) -> list[tuple[str, Entry, bytes]]:
    """Make entries like those of a day: some twenty per stop, chained, with commitments."""
    entries: list[tuple[str, Entry, bytes]] = []
    stop, prev, n = str(uuid4()), None, 0
    for number in range(count):
        if number % 20 == 0:
            stop, prev, n = str(uuid4()), None, 0
        n += 1
        entry = Entry(
            id=str(new_id()),
            n=n,
            entity="stop",
            entity_id=stop,
            action="stop.delivered",
            actor=ActorRef("driver", str(uuid4()), str(uuid4())),
            at="2026-11-20T09:00:00.000Z",
            occurred="2026-11-20T08:59:00.000Z",
            cause=f"mutation {uuid4()}",
            change={"state": ["arrived", "delivered"], "proof": ["none", "awaited"]},
            pii={"recipient": v.commitment(b"0123456789abcdef", "Grace Hopper")},
            prev=prev,
        )
        leaf = canonical(entry)
        prev = v.leaf_hash(leaf).hex()
        entries.append((stop, entry, leaf))
    return entries


async def store(db: Database, entries: list[tuple[str, Entry, bytes]]) -> None:
    """Put entries into the database as pending, as `record` leaves them."""
    for start in range(0, len(entries), 5000):
        part = entries[start : start + 5000]
        async with db.begin() as tx:
            await tx.execute(
                text(
                    "INSERT INTO audit_entry (id, leaf, leaf_hash, entity, entity_id, n, action,"
                    " actor_type, actor_id, at) SELECT i, l, h, 'stop', e, n, 'stop.delivered',"
                    " 'driver', 'bench', :at FROM unnest(CAST(:ids AS uuid[]), CAST(:leaves AS"
                    " bytea[]), CAST(:hashes AS bytea[]), CAST(:stops AS text[]),"
                    " CAST(:ns AS int[])) AS t(i, l, h, e, n)"
                ),
                {
                    "at": AT,
                    "ids": [entry.id for _, entry, _ in part],
                    "leaves": [leaf for _, _, leaf in part],
                    "hashes": [v.leaf_hash(leaf) for _, _, leaf in part],
                    "stops": [stop for stop, _, _ in part],
                    "ns": [entry.n for _, entry, _ in part],
                },
            )
            await tx.execute(
                text("INSERT INTO audit_pending SELECT unnest(CAST(:ids AS uuid[])), false"),
                {"ids": [entry.id for _, entry, _ in part]},
            )


async def measure(url: str, folder: Path, count: int) -> list[tuple[str, float]]:
    """Return entries per second of each step."""
    rates = []

    def took(name: str, since: float) -> None:
        rates.append((name, count / (time.perf_counter() - since)))

    start = time.perf_counter()
    entries = made(count)
    took("entries made canonical", start)
    start = time.perf_counter()
    for _, _, leaf in entries:
        sha256(b"\0" + leaf).digest()
    took("bare SHA-256 of the same", start)
    db = Database(url)
    await store(db, entries)
    start = time.perf_counter()
    await seal(db, SIGNER)
    took("sequenced and signed", start)
    bundle = folder / "bundle.zip"
    start = time.perf_counter()
    with bundle.open("wb") as file:
        asked = Asked(AT, AT.replace(year=2027))
        await export(db, SIGNER, FolderBlobs(folder / "blobs"), asked, file)
    took("exported", start)
    start = time.perf_counter()
    report = v.verify(bundle, SIGNER.key.text.encode())
    took("verified", start)
    assert report.entries == count, report.text
    await db.close()
    return rates


def main() -> None:
    """Measure and print one table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as name:
        folder = Path(name)
        with running(folder / "pg") as cluster:
            schema.upgrade(cluster.url())
            rates = asyncio.run(measure(cluster.url(), folder, count))
    bare = dict(rates)["bare SHA-256 of the same"]
    print(f"{count:,} entries")
    for step, rate in rates:
        print(f"{step:28} {rate:12,.0f} /s {rate / bare:8.3f}")


if __name__ == "__main__":
    main()
