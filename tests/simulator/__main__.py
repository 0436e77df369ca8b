"""Replay one history, or run many: ``python -m tests.simulator --seed 4711 -v``."""

import argparse
import asyncio
import contextlib
import gc
import logging
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from backend.cli import schema
from backend.embedded import running
from tests.fixtures.breaking_off import until_broken_off
from tests.fixtures.databases import TUNING
from tests.simulator.broken import BROKEN
from tests.simulator.ground import ground
from tests.simulator.many import run, run_restored
from tests.simulator.report import PAGE, page
from tests.simulator.run import RULES
from tests.simulator.soak import soak

# More than there are cores: a history waits for locks, and for its turn, most of its time.
PROCESSES = 6


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first history")
    parser.add_argument("--count", type=int, default=1, help="how many, one seed after the other")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what happens")
    parser.add_argument("--broken", choices=sorted(BROKEN), help="run a server broken on purpose")
    parser.add_argument("--restored", action="store_true", help="the server is restored, too")
    parser.add_argument("--soak", type=int, help="so many histories, a few at once, and a page")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the soak writes its page")
    asked = parser.parse_args()
    if asked.soak:
        _soak(asked.soak, asked.seed, asked.page)
        return
    logging.getLogger("doorstep").setLevel(logging.ERROR)
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="doorstep-sim-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with running(Path(folder), tuning=TUNING) as cluster:
            schema.upgrade(cluster.url())
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                server, url = cluster.url("postgres"), cluster.url()
                runner.run(_run(server, url, Path(folder, "data"), asked))


def _soak(count: int, first: int, file: Path) -> None:
    """Run many histories; the page is there after each chapter, however the run ends."""
    file.parent.mkdir(exist_ok=True)
    told = 0
    for made in soak(count, processes=PROCESSES, first=first):
        _say(*made.stories[told:])
        told = len(made.stories)
        bad, speed = len(made.stories), made.histories / made.seconds
        _say(f"{made.histories} of {_histories(count)}, {bad} violated, {speed:.1f}/s")
        file.write_text(page(made), encoding="utf-8")


async def _run(server: str, url: str, folder: Path, asked: argparse.Namespace) -> None:
    seeds, started = range(asked.seed, asked.seed + asked.count), time.perf_counter()
    async with ground(url, folder) as here, contextlib.AsyncExitStack() as stack:
        rules = RULES
        if asked.broken:
            rules = BROKEN[asked.broken].rules
            stack.enter_context(BROKEN[asked.broken].breaks(here))
        if asked.restored:
            made = await run_restored(here, server, seeds)
        else:
            made = await run(here, seeds, rules)
    for told in [made.last] if asked.verbose and made.last else made.violations:
        _say(f"history {told.seed}", *told.history.log)
    spent = time.perf_counter() - started
    bad = len(made.violations)
    _say(f"{_histories(len(seeds))}, {bad} violated, {spent:.1f} s, {len(seeds) / spent:.1f}/s")


def _histories(number: int) -> str:
    return "1 history" if number == 1 else f"{number} histories"


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    until_broken_off(main)
