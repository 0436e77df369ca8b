"""The document that a full run writes: the table, how it was made, and the numbers to reach."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from bench.sync.measure import Figures
from bench.sync.table import as_markdown, ratios

_HOW = """\
Written by `python -m bench.sync`; do not edit. All lines are of one run on one machine, whose
absolute figures depend on it ({machine}); ratios hold better.

**ours**: the real server process (one API worker) over real HTTP. **Kinto**: its newest release,
one waitress process, its limit of 100 connections raised, on the same PostgreSQL. **bare SQL**: the
rows that one of our pushes writes, written by prepared statements and nothing else. PostgreSQL is
the embedded one, fsync on, with durability as it ships. 20 devices keep 8 requests in flight, 200
keep 32. What ours and bare SQL both do they do in turns, up to four each, for devices of their own,
and before pushes every connection is warm: the speed of a shared machine swings by the minute.

`per s`, bytes, CPU and statements count per mutation in `drain` and `visits` (batches of 50), else
per call. `alone p50` is the latency with one request at a time. Bytes are bodies without headers,
uncompressed but for our idle calls, which ask for zstd as phones do. CPU is that of the server and
of all of PostgreSQL, without the client, which shares the machine. Statements are those PostgreSQL
logged, without BEGIN and COMMIT. RSS is the API worker's. `history` is how many mutations the
database held before, with their entries, timelines, feeds and files. `online push` tells one
arrival and pulls nothing, `online sync` pulls as well; `drain` is departures, arrivals and notes,
`visits` departures, arrivals and deliveries.
"""


def document(lines: Sequence[Figures], notes: Sequence[str]) -> str:
    """Write the document."""
    busy = os.getloadavg()[2]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {busy:.1f}"
    held = "\n".join(f"| {name} | {value} |" for name, value in ratios(lines).items())
    return "\n".join(
        (
            "# Sync, measured",
            "",
            _HOW.format(machine=machine),
            f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
            "",
            as_markdown(lines),
            "",
            *notes,
            "",
            "## Ratios (more is better)",
            "",
            "| ratio | value |",
            "|---|---:|",
            held,
            "",
        )
    )
