"""The table, and the ratios in it that are held against a committed baseline."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.sync.measure import Figures

BASELINE = Path(__file__).parents[1] / "sync_baseline.json"
FIGURES = Path(__file__).parents[2] / "docs" / "figures" / "sync.md"
# How much worse than the baseline a ratio may be: wall time on a shared machine wavers more than
# CPU time does, and statements and bytes do not waver at all.
TOLERANCE = {"rate": 0.40, "cpu": 0.30, "count": 0.05}

_COLUMNS = (
    "who", "what", "devices", "history", "calls", "alone p50", "p50", "p99", "per s", "up B",
    "down B", "CPU ms", "of it PG", "stmts", "RSS MB",
)  # fmt: skip

Ratios = dict[str, float]


def cells(line: Figures) -> tuple[str, ...]:
    """One line as text."""
    return (
        line.who, line.what, str(line.devices), f"{line.history:,}", f"{line.calls:,}",
        _maybe(line.alone_ms, "{:.1f}"), f"{line.p50_ms:.1f}", f"{line.p99_ms:.1f}",
        f"{line.per_second:,.0f}", f"{line.up:,.0f}", f"{line.down:,.0f}",
        f"{line.cpu_ms:.2f}", f"{line.postgres_ms:.2f}", _maybe(line.statements, "{:.2f}"),
        _maybe(line.rss_mb, "{:.0f}"),
    )  # fmt: skip


def as_text(lines: Sequence[Figures]) -> str:
    """Lay the table out for a terminal."""
    rows = [_COLUMNS, *map(cells, lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_markdown(lines: Sequence[Figures]) -> str:
    """Lay the table out for a document."""
    rule = ("---", "---", *["---:"] * (len(_COLUMNS) - 2))
    rows = [_COLUMNS, rule, *map(cells, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def ratios(lines: Sequence[Figures]) -> Ratios:
    """Relate ours to the peers and to itself; in each, more is better."""
    found = {(x.who, x.what, x.devices, x.history): x for x in lines}
    made: Ratios = {}
    for (who, what, devices, history), ours in found.items():
        if who != "ours":
            continue
        where = f"{what}, {devices} devices, {history} past"
        for peer in ("Kinto", "bare SQL"):
            other = found.get((peer, what, devices, history))
            if other is not None:
                made[f"rate / {peer}: {where}"] = ours.per_second / other.per_second
                made[f"cpu of {peer} / ours: {where}"] = other.cpu_ms / ours.cpu_ms
                if other.statements and ours.statements:
                    made[f"count of {peer} / ours: {where}"] = other.statements / ours.statements
        first = found.get(("ours", what, devices, 1))
        if first is not None and history > 1:
            made[f"cpu at 1 past / ours: {where}"] = first.cpu_ms / ours.cpu_ms
    return {name: round(value, 3) for name, value in made.items()}


def worse(now: Ratios, held: Ratios) -> list[str]:
    """Say which ratios are worse than the baseline by more than their tolerance."""
    said = []
    for name in sorted(now.keys() & held.keys()):
        allowed = TOLERANCE[name.split()[0]]
        if now[name] < held[name] * (1 - allowed):
            said.append(f"{name}: {now[name]} is less than {held[name]} by over {allowed:.0%}")
    return said


def firm(now: Ratios) -> Ratios:
    """Those that a short run tells as well as a long one: what is counted, not what is timed."""
    return {name: value for name, value in now.items() if name.split()[0] == "count"}


def read_baseline() -> Ratios:
    """Return the committed ratios; none if there is no file."""
    if not BASELINE.exists():
        return {}
    held: Ratios = json.loads(BASELINE.read_text())
    return held


def write_baseline(now: Ratios) -> None:
    """Write ratios as the new baseline, over those of the same name."""
    merged = dict(sorted({**read_baseline(), **now}.items()))
    BASELINE.write_text(json.dumps(merged, indent=1) + "\n")


def _maybe(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
