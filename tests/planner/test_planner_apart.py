"""Planning in a process of its own: answers, progress, failures, and no process left behind."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from planner.answer import Progress
from planner.apart import EngineFailed, solve_apart
from planner.check import check
from planner.matrix import CrowFlight, matrix_of
from planner.plan import lay_out
from planner.solver import Budget
from planner.wire import Job, encode
from planner.worker import ORPHANED
from tests.planner.days import city_day

pytestmark = pytest.mark.anyio


async def test_a_plan_made_apart_passes_the_checker_here() -> None:
    """Problem and outcome survive the trip; progress arrives meanwhile."""
    day, seen = city_day(60), list[Progress]()

    async def hear(progress: Progress) -> None:
        seen.append(progress)

    outcome = await solve_apart("ortools", day, Budget(1.0, 1.0), hear)
    matrix = matrix_of(day, CrowFlight())
    plan = lay_out(day, matrix, outcome)
    assert not check(day, matrix, plan)
    assert plan.served == 60
    assert seen


async def _deaf(_: Progress) -> None:
    """Listen to nothing."""


async def test_a_failing_engine_says_why() -> None:
    """What breaks in the process is told to whoever asked."""
    with pytest.raises(EngineFailed, match="abacus"):
        await solve_apart("abacus", city_day(3), Budget(1, 1), _deaf)


async def test_giving_up_ends_the_process() -> None:
    """Cancelling the call leaves no child behind."""
    searching = asyncio.Event()

    async def hear(_: Progress) -> None:
        searching.set()

    others = _children()
    task = asyncio.create_task(solve_apart("ortools", city_day(60), Budget(60, 60), hear))
    await searching.wait()
    children = _children() - others
    assert children
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not children & _children()


def test_the_process_ends_with_its_parent() -> None:
    """A worker whose input ends stops in the middle of its search."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "planner.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdin is not None
    worker.stdin.write(encode(Job("ortools", city_day(60), Budget(60, 60))))
    worker.stdin.close()
    assert worker.wait(timeout=20) == ORPHANED
    assert worker.stdout is not None
    worker.stdout.close()


def _children() -> set[str]:
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {pid for listing in found for pid in listing.read_text().split()}
