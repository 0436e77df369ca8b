"""The bench of sync says when a ratio fell behind its baseline, and it runs."""

import subprocess
import sys
from dataclasses import replace

import pytest

from bench.sync.measure import Figures, Processes, Run, joined, run
from bench.sync.session import Plan
from bench.sync.table import (
    BASELINE,
    as_markdown,
    as_text,
    firm,
    ratios,
    read_baseline,
    worse,
)
from bench.sync.wire import Exchange
from tests.fixtures.processes import ROOT, environment

pytestmark = pytest.mark.anyio

OURS = Figures(
    "ours", "online push", 20, 1, 100, 2.0, 10.0, 30.0, 300.0, 300.0, 500.0, 2.0, 1.0, 8.0, 120.0
)
LINES = [
    OURS,
    replace(OURS, who="Kinto", per_second=150.0, server_ms=4.0, statements=12.0),
    replace(OURS, who="bare SQL", per_second=600.0, server_ms=0.0, rss_mb=None),
    replace(OURS, history=1_000_000, server_ms=2.3),
]


def test_ratios_grow_with_what_is_better() -> None:
    """A rate is held against a peer's, a cost turned round, a later history against the first."""
    found = ratios(LINES)
    at = "online push, 20 devices, 1 past"
    assert found[f"rate / Kinto: {at}"] == 2.0
    assert found[f"rate / bare SQL: {at}"] == 0.5
    assert found[f"cpu of Kinto / ours: {at}"] == 1.667
    assert found[f"count of Kinto / ours: {at}"] == 1.5
    assert found["cpu at 1 past / ours: online push, 20 devices, 1000000 past"] == 0.909


def test_only_what_fell_beyond_its_tolerance_is_told() -> None:
    """Counts hardly waver, rates do; a ratio that the baseline lacks is not compared."""
    held = {"rate / Kinto: x": 2.0, "count of Kinto / ours: x": 1.5}
    assert worse({"rate / Kinto: x": 1.3, "count of Kinto / ours: x": 1.48, "new": 0.1}, held) == []
    (told,) = worse({"rate / Kinto: x": 1.1, "count of Kinto / ours: x": 1.5}, held)
    assert "rate / Kinto: x: 1.1 is less than 2.0" in told
    (told,) = worse({"count of Kinto / ours: x": 1.4}, held)
    assert "by over 5%" in told


def test_a_quick_run_holds_only_what_it_counts() -> None:
    """Times of a short run say nothing of a long one's; statements are the same in both."""
    now = {"rate / Kinto: x": 0.1, "cpu of Kinto / ours: x": 0.1, "count of Kinto / ours: x": 1.5}
    assert firm(now) == {"count of Kinto / ours: x": 1.5}


def test_the_baseline_is_of_full_runs() -> None:
    """Each ratio is one that a full run measures, so that none is held for ever by mistake."""
    histories = {f"{history} past" for history in Plan().histories}
    assert {name.rsplit(", ", 1)[1] for name in read_baseline()} <= histories


def test_both_tables_hold_every_line() -> None:
    """For a terminal and for a document."""
    assert as_text(LINES).count("online push") == len(LINES)
    assert as_markdown(LINES).count("\n") == len(LINES) + 1


async def test_a_slow_machine_measures_less() -> None:
    """When the time is over nothing more is begun, and what was done is counted."""

    async def op(_device: str, _number: int) -> Exchange:
        return Exchange(200, 10, b"twelve bytes", 0)

    whole = await run(op, ["a", "b", "c"], range(4), 2, Processes(None, 0))
    assert (len(whole.latencies), whole.up, whole.down) == (12, 120, 144)
    none = await run(op, ["a", "b", "c"], range(4), 2, Processes(None, 0), seconds=-1)
    assert none.latencies == []


def test_turns_add_up_to_one_run() -> None:
    """Who took turns with a peer is told by all his turns together, latencies and costs alike."""
    turns = [Run([0.3, 0.1], 10, 20, 1.0, 0.5, 0.25), Run([0.2], 5, 6, 2.0, 0.5, 0.5)]
    assert joined(turns) == Run([0.3, 0.1, 0.2], 15, 26, 3.0, 1.0, 0.75)
    assert joined(turns).median_ms == 200.0


def test_the_committed_baseline_is_of_ratios() -> None:
    """Absolute figures are a machine's own; none is held."""
    assert BASELINE.exists()
    assert all(name.split()[0] in {"rate", "cpu", "count"} for name in read_baseline())


@pytest.mark.soak
def test_a_quick_run() -> None:
    """One command, one table; without peers, which would have to be installed."""
    command = [sys.executable, "-m", "bench.sync", "--quick", "--ours"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("ours") == 14, done.stdout
