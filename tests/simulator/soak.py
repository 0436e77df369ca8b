"""Tens of thousands of histories in a few processes, a database for every few hundred of them."""

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import uvloop
from sqlalchemy import make_url

from backend.cli import schema
from backend.embedded import running
from tests.fixtures.databases import TUNING
from tests.simulator.broken import BROKEN
from tests.simulator.ground import ground
from tests.simulator.many import Sum, run, run_restored, story
from tests.simulator.restoring import tell_server

CHAPTER = 250
RESTORED_OF_A_HUNDRED = 1
_TEMPLATE = "simulator_template"


@dataclass(frozen=True, slots=True)
class Chapter:
    """Histories that share a database.

    ``broken`` names a control; where ``restored``, the server loses what it had since its backup.
    """

    first: int
    count: int
    restored: bool = False
    broken: str | None = None


@dataclass(slots=True)
class Run:
    """What came of a whole run."""

    seeds: range
    seconds: float = 0.0
    histories: int = 0
    steps: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    stories: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)


def soak(count: int, processes: int, first: int = 1) -> Iterator[Run]:
    """Run histories and the positive controls; give the sum as it grows, and at last the whole."""
    made, started = Run(range(first, first + count)), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="doorstep-sim-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with running(Path(folder), tuning=TUNING) as cluster:
            server = cluster.url("postgres")
            asyncio.run(tell_server(server, f'CREATE DATABASE "{_TEMPLATE}"'))
            schema.upgrade(cluster.url(_TEMPLATE))
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin) as pool:
                with _deaf_to_ctrl_c():
                    tasks = {
                        pool.submit(_write, server, chapter): chapter for chapter in _chapters(made)
                    }
                try:
                    for task in as_completed(tasks):
                        _add(made, tasks[task], task.result())
                        made.seconds = time.perf_counter() - started
                        yield made
                except (KeyboardInterrupt, GeneratorExit):
                    for child in multiprocessing.active_children():
                        child.terminate()
                    raise
                finally:
                    pool.shutdown(cancel_futures=True)


def _chapters(made: Run) -> Iterator[Chapter]:
    for name in sorted(BROKEN):
        yield Chapter(1, 30, broken=name)
    for start in range(made.seeds.start, made.seeds.stop, CHAPTER):
        count = min(CHAPTER, made.seeds.stop - start)
        restored = count * RESTORED_OF_A_HUNDRED // 100
        yield Chapter(start, count - restored)
        if restored:
            yield Chapter(start + count - restored, restored, restored=True)


def _add(made: Run, chapter: Chapter, written: Sum) -> None:
    if chapter.broken is not None:
        made.found[chapter.broken] = written.histories if written.found else 0
        return
    made.histories += written.histories
    made.steps += written.steps
    made.tally.update(written.tally)
    made.outcomes.update(written.outcomes)
    made.stories += written.stories


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started in here inherit this: a terminal's Ctrl-C is for their parent."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin() -> None:
    """Prepare a process: faults on purpose are no news, what is loaded is not looked at again."""
    logging.getLogger("doorstep").setLevel(logging.CRITICAL)
    gc.freeze()


def _write(server: str, chapter: Chapter) -> Sum:
    """Run a chapter in a database of its own."""
    name = f"chapter_{uuid4().hex}"
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    with (
        tempfile.TemporaryDirectory(prefix="doorstep-chapter-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        copied = f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}" STRATEGY file_copy'
        runner.run(tell_server(server, copied))
        made = runner.run(_read_out(server, url, Path(folder), chapter))
        runner.run(tell_server(server, f'DROP DATABASE "{name}" WITH (FORCE)'))
    made.found, made.last = len(made.violations), None
    made.stories = [story(told) for told in made.violations]
    made.violations = []
    return made


async def _read_out(server: str, url: str, folder: Path, chapter: Chapter) -> Sum:
    seeds = range(chapter.first, chapter.first + chapter.count)
    async with ground(url, folder) as here:
        if chapter.restored:
            return await run_restored(here, server, seeds)
        if chapter.broken is None:
            return await run(here, seeds)
        control = BROKEN[chapter.broken]
        with control.breaks(here):
            return await run(here, seeds, control.rules, most=1)
