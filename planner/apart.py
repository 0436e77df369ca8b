"""Runs an engine in a process of its own and relays its progress.

The caller's event loop stays free, its process never imports a solver, and an engine that crashes
or overstays costs one plan and nothing else.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path

from planner.answer import Outcome, Progress
from planner.problem import Problem
from planner.solver import Budget
from planner.wire import HEAD_BYTES, Broken, Found, Job, Searching, Word, decode_word, encode

GRACE_S = 30.0
"""What an engine may take beyond its budget: to load, to build its model, to close."""

_ROOT = Path(__file__).resolve().parents[1]


class EngineFailed(RuntimeError):
    """The planning process crashed, failed or overstayed; the message says which."""


async def solve_apart(
    name: str,
    problem: Problem,
    budget: Budget,
    on_progress: Callable[[Progress], Awaitable[None]],
) -> Outcome:
    """Search in a process of its own; cancelling this call ends that process.

    Raises:
        EngineFailed: there is no outcome.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-s", "-P", "-m", "planner.worker",
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # Ctrl-C is for the server; the worker ends with its input
        env={"PYTHONPATH": str(_ROOT), "PATH": os.environ.get("PATH", "")},
    )  # fmt: skip
    try:
        async with asyncio.timeout(budget.seconds + GRACE_S):
            return await _converse(process, Job(name, problem, budget), on_progress)
    except TimeoutError as error:
        raise EngineFailed(f"the engine did not end within {budget.seconds:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _converse(
    process: Process, job: Job, on_progress: Callable[[Progress], Awaitable[None]]
) -> Outcome:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(encode(job))
        await process.stdin.drain()
        while True:
            match await _next_word(process.stdout):
                case Searching(progress):
                    await on_progress(progress)
                case Found(outcome):
                    return outcome
                case Broken(detail):
                    raise EngineFailed(detail)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EngineFailed(f"the planning process ended with {await process.wait()}") from error


async def _next_word(words: asyncio.StreamReader) -> Word:
    length = int.from_bytes(await words.readexactly(HEAD_BYTES))
    return decode_word(await words.readexactly(length))
