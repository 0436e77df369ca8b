"""Import of many rows into a real PostgreSQL: rows per second and memory, beside the bare reading.

    python bench/intake.py [rows]

The CSV is made on disk first; the database is an embedded one in a temporary folder.
"""

import asyncio
import gc
import resource
import sys
import tempfile
import time
from pathlib import Path

from backend.audit.record import Event, record
from backend.cli import schema
from backend.dispatch import segments
from backend.domain.people import SYSTEM
from backend.embedded import running
from backend.ids import new_id
from backend.intake.csv_rows import CsvRows
from backend.intake.csv_value import COLUMNS
from backend.intake.seed import first_rules, seed_rules
from backend.intake.service import CHUNK, import_rows
from backend.keys import Keys
from backend.store.database import Database
from backend.tables.fleet import Depot

KEYS = Keys(b"m" * 32, b"l" * 32, "bench/log")


def write_file(path: Path, rows: int) -> None:
    """One consignment a row, every tenth with a second parcel, every hundredth row bad."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        for i in range(rows):
            n = i - 1 if i % 10 == 9 else i
            lat = "99" if i % 100 == 50 else f"{53.7 + (n % 997) / 10_000:.4f}"
            file.write(
                f"R-{n:07d},,,C-{n % 500},{n % 300},ANN LEE {n},0740012{n % 10_000:04d},"
                f"ann{n}@mail.example,{n % 200 + 1} High Street,,LS1 1UR,LEEDS,GB,{lat},"
                f"{-1.5 - (n % 991) / 10_000:.4f},09:00,17:00,B-{i:07d},goods,1.5,3,,\n"
            )


def peak_mb() -> float:
    """The most this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def prepare(db: Database) -> str:
    """A depot, the segments and the rules."""
    values = {"code": "bench", "name": "Bench", "lat": 53.8, "lon": -1.55,
              "timezone": "Europe/London"}  # fmt: skip
    async with db.begin() as tx:
        await segments.seed(tx, segments.first_versions())
        await seed_rules(tx, first_rules())
        await record(tx, SYSTEM, Event("depot.added", Depot, new_id(), values, create=True))
    return "bench"


def report(what: str, rows: int, began: float) -> None:
    """One line of the table."""
    spent = time.perf_counter() - began
    print(f"{what:<34}{spent:>8.1f} s {rows / spent:>10,.0f} rows/s {peak_mb():>8.0f} MB peak")


async def tick(longest: list[float]) -> None:
    """Note the longest time in which nobody else in the process was served."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest[0] = max(longest[0], time.perf_counter() - began - 0.001)


async def measure(url: str, path: Path, rows: int) -> None:
    """Read alone, rehearse, import, import again."""
    db = Database(url)
    depot = await prepare(db)
    gc.collect()
    began = time.perf_counter()
    with path.open("rb") as file:
        groups = sum(1 for _ in CsvRows(file))
    report(f"reading alone ({groups:,} consignments)", rows, began)
    for what, dry_run in (("rehearsal", True), ("import", False), ("the same again", False)):
        began, longest = time.perf_counter(), [0.0]
        ticking = asyncio.create_task(tick(longest))
        with path.open("rb") as file:
            found = await import_rows(db, KEYS, SYSTEM, depot, CsvRows(file), dry_run=dry_run)
        ticking.cancel()
        report(what, rows, began)
        print(f"    accepted {found.accepted:,}, unchanged {found.unchanged:,}, "
              f"rejected {len(found.rejected):,}; {CHUNK} a transaction; "
              f"longest pause {longest[0] * 1000:.0f} ms")  # fmt: skip
    await db.close()


def main() -> None:
    """Measure with the number of rows named, or 100,000."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        write_file(path, rows)
        print(f"{rows:,} rows, {path.stat().st_size / 2**20:.1f} MiB; start {peak_mb():.0f} MB")
        with running(Path(folder, "data")) as cluster:
            schema.upgrade(cluster.url())
            asyncio.run(measure(cluster.url(), path, rows))


if __name__ == "__main__":
    main()
