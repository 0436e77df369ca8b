"""The table of a campaign, for people and for the record."""

import os
import platform
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.kills import Campaign

_FILES = ("--write", "--log")
_HEAD = """# Killed {done} times: what the phones can prove

The server runs as its own process and ends itself with SIGKILL at a named point, {done} times,
while {drivers} phones visit their stops, send photos in pieces, and two supervisors override, move,
pin and resequence the same stops. PostgreSQL (fsync on) is restarted {recoveries} times with
`pg_ctl restart -m immediate` meanwhile. Phones and supervisors ask again what was not answered. In
the end the phones' own journals are held against the server's tables, and the log is exported and
verified as a stranger would.

    {command}
{more}
| | |
|---|---|
| lives ended at their point | {done} |
| lives that did not come by their point in time and were ended anywhere | {missed} |
| immediate restarts of PostgreSQL | {recoveries} |
| acts in the phones' journals | {acts} |
| of them acknowledged | {acked} |
| files verified | {photos} |
| overrides granted | {overrides} |
| entries of the log, exported and verified | {entries} |
| **acknowledged and lost** | **{lost}** |
| **done twice** | **{doubled}** |
| chains, numbers, versions, counters that do not fit | {broken} |
| times that a phone gave up for the moment | {unreachable} |
| answers to supervisors by status | {answers} |
| faults in PostgreSQL's log by SQLSTATE | {sqlstates} |
| seconds | {seconds:.0f} |
| machine | {machine} |

| point | came by | ended there |
|---|---:|---:|
"""


def write(plan: "Campaign") -> str:
    """Return the table in Markdown."""
    proof = plan.proof
    head = _HEAD.format(
        done=plan.done,
        drivers=plan.drivers,
        recoveries=plan.recoveries,
        missed=plan.missed,
        acts=proof.acts,
        acked=proof.acked,
        photos=proof.photos,
        overrides=proof.overrides,
        entries=proof.entries,
        lost=len(proof.lost),
        doubled=len(proof.doubled),
        broken=len(proof.broken),
        unreachable=plan.unreachable,
        answers=_counted(plan.answers),
        sqlstates=_counted(plan.sqlstates),
        seconds=plan.seconds,
        machine=machine(),
        command=command("tests.faults.kills"),
        more=_more(plan),
    )
    lines = [
        f"| `{point}` | {plan.reached.get(point, 0)} | {plan.ended[point]} |\n"
        for point in plan.points
    ]
    return head + "".join(lines) + "".join(f"\n- {fault}" for fault in proof.faults)


def _more(plan: "Campaign") -> str:
    """Say why there were more kills than were asked for, where there were."""
    if plan.done <= plan.kills:
        return ""
    told = f"{plan.kills} kills were asked for; it goes on until each of the {len(plan.points)}"
    return f"\n{told} points has had one.\n"


def command(module: str) -> str:
    """How this was called, but for where its files went."""
    said = iter(sys.argv[1:])
    kept = [word for word in said if not (word in _FILES and next(said))]
    return " ".join(["python -m", module, *kept])


def machine() -> str:
    """What it ran on."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _counted(counts: "dict[int, int] | dict[str, int]") -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"
