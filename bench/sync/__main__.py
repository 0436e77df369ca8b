"""Measure sync: one command, one table.

    python -m bench.sync [--quick] [--write-baseline] [--ours] [--seconds S]

The full run takes about ten minutes, writes docs/figures/sync.md and fails where a ratio to a peer
fell behind the committed baseline. --quick takes a minute and a half and compares only what it
counts, where devices and history are those of the baseline: its times waver too much.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import uvloop

from bench.sync import table
from bench.sync.figures import document
from bench.sync.lines import whole
from bench.sync.session import QUICK, Plan, opened

_NOISE = "a quick run's times waver too much, and its long history is shorter than the baseline's"


def main() -> None:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 devices, a short history")
    parser.add_argument("--ours", action="store_true", help="without Kinto and bare SQL")
    parser.add_argument(
        "--write-baseline", action="store_true", help="hold these ratios from now on"
    )
    parser.add_argument("--seconds", type=float, help="at most, for each line of the table")
    chosen = parser.parse_args()
    if chosen.quick and chosen.write_baseline:
        parser.error("a baseline is of a full run: leave --quick out")
    plan = QUICK if chosen.quick else Plan()
    plan = replace(plan, peers=not chosen.ours, seconds=chosen.seconds or plan.seconds)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))

    def tell(step: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {step}", file=sys.stderr, flush=True)

    with (
        tempfile.TemporaryDirectory(prefix="doorstep-bench-", dir="/tmp") as name,
        opened(Path(name), plan) as session,
    ):
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(whole(session, tell))
        finally:  # what was measured before it broke off is shown all the same
            print(table.as_text(session.lines))
            print("\n".join(session.notes))
            if not chosen.quick and not chosen.ours:
                table.FIGURES.parent.mkdir(exist_ok=True)
                table.FIGURES.write_text(document(session.lines, session.notes))
    now = table.ratios(session.lines)
    if chosen.write_baseline:
        table.write_baseline(now)
        print(f"{len(now)} ratios written to {table.BASELINE.name}")
    else:
        _hold(now, quick=chosen.quick)


def _hold(now: table.Ratios, *, quick: bool) -> None:
    """Compare with the baseline; of a quick run only what a quick run can tell."""
    held = table.read_baseline()
    compared = (table.firm(now) if quick else now).keys() & held.keys()
    left = len(now) - len(compared)
    if quick:
        print(f"{len(compared)} ratios compared with the baseline, {left} not compared: {_NOISE}")
    fallen = table.worse({name: now[name] for name in compared}, held)
    if fallen:
        sys.exit(
            "behind the baseline (python -m bench.sync --write-baseline, if meant so):\n  "
            + "\n  ".join(fallen)
        )


if __name__ == "__main__":
    main()
