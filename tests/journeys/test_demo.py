"""The demo as a newcomer runs it: one command, one JSON object, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTCOMES = {
    "applied",
    "conflict",
    "recorded",
    "held",
    "rejected",
    "quarantined",
    "duplicate",
    "held_for_gap",
}


def _demo(data: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "backend.cli", "demo", "--exit", "--data", str(data)]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _facts(demo: subprocess.Popen[str]) -> dict[str, object]:
    out, err = demo.communicate()
    assert demo.returncode == 0, err
    facts = json.loads(out)
    assert isinstance(facts, dict)
    return facts


def _counts(facts: dict[str, object], name: str) -> dict[str, int]:
    counts = facts[name]
    assert isinstance(counts, dict)
    return counts


def _there(facts: dict[str, object], name: str) -> set[str]:
    return {word for word, count in _counts(facts, name).items() if count}


def test_the_demo_tells_a_whole_day(tmp_path: Path) -> None:
    """Every kind of proof and of receipt is there, no consignment is lost, and the log verifies."""
    facts = _facts(_demo(tmp_path, "--json"))
    assert Path(str(facts["data"])).is_dir()
    assert Path(str(facts["bundle"])).is_file()
    assert facts["audit"] == "ok"
    assert facts["consignments"] == 150
    fates = _counts(facts, "fates")
    assert sum(fates.values()) == 150
    assert (facts["without_fate"], facts["unsaid"]) == (0, 0)
    assert {"accepted", "awaited", "waived"} <= _there(facts, "proofs")
    assert {"delivered", "failed", "cancelled"} <= _there(facts, "stops")
    assert _counts(facts, "mutations").keys() == OUTCOMES
    misbehaviour = {"conflict", "duplicate", "held_for_gap", "quarantined"}
    assert {"applied", *misbehaviour} <= _there(facts, "mutations")
    assert int(str(facts["evidence_bytes"])) > 0
    assert int(str(facts["entries_sealed"])) > 1000


@pytest.mark.soak
def test_the_demo_runs_again_after_a_kill(tmp_path: Path) -> None:
    """Killed in the middle of the day, it starts afresh and ends well."""
    first = _demo(tmp_path)
    assert first.stderr is not None
    for line in first.stderr:
        if "driving" in line:
            break
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert _facts(_demo(tmp_path, "--json"))["audit"] == "ok"
