"""The table of a run, as it is committed to docs/proofs/simulator.md."""

import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.simulator.soak import Run

PAGE = Path(__file__).parents[2] / "docs" / "proofs" / "simulator.md"
_GROUPS = (
    ("Faults on the road", "road: "),
    ("The server died at", "kill "),
    ("The office", "office: "),
    ("Pieces of evidence", "piece: "),
    ("Mutations recorded by phones", "said "),
    ("Steps", "rule "),
)


def page(run: Run) -> str:
    """Write the page."""
    lines = [
        "# The seeded simulator: one run",
        "",
        "Written by `make soak`; what a history is, and its replay: [simulator](../simulator.md).",
        "",
        *_table("Run", _head(run)),
        *_table("Positive controls: servers broken on purpose", _controls(run)),
        *_table("Outcomes that phones were told", run.outcomes.most_common()),
    ]
    starts = tuple(start for _, start in _GROUPS)
    for title, start in _GROUPS:
        group = Counter({name: n for name, n in run.tally.items() if name.startswith(start)})
        rows = [(name.removeprefix(start), n) for name, n in group.most_common()]
        lines += _table(title, rows)
    rest = [(name, n) for name, n in sorted(run.tally.items()) if not name.startswith(starts)]
    lines += _table("Besides", rest)
    lines += [f"```\n{story}\n```" for story in run.stories[:20]]
    return "\n".join(lines).rstrip() + "\n"


def _head(run: Run) -> list[tuple[str, object]]:
    return [
        ("histories", f"{run.histories} of {len(run.seeds)}"),
        ("seeds", f"{run.seeds.start} to {run.seeds.stop - 1}"),
        ("steps", run.steps),
        ("violations", len(run.stories)),
        ("minutes", round(run.seconds / 60, 1)),
        ("histories a second", round(run.histories / run.seconds, 1)),
        ("commit", _commit()),
    ]


def _controls(run: Run) -> list[tuple[str, object]]:
    return [
        (name, f"found in history {n}" if n else "NOT FOUND")
        for name, n in sorted(run.found.items())
    ]


def _table(title: str, rows: Iterable[tuple[str, object]]) -> list[str]:
    told = [f"| {name} | {value} |" for name, value in rows]
    return [f"## {title}", "", "| | |", "|---|---:|", *told, ""] if told else []


def _commit() -> str:
    """Name the commit that was run, and whether the tree had other changes."""
    here = PAGE.parents[2]
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return head or "unknown"
