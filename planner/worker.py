"""The planning process: one job in, progress and one outcome out, and gone.

It is the only process that loads a solver. It ends as soon as its input ends, so it cannot outlive
whoever started it, and it yields the processor to those who answer people.
"""

import os
import sys
import threading
from typing import IO

from planner.matrix import CrowFlight, matrix_of
from planner.solver import engine
from planner.wire import Broken, Found, Job, Searching, Word, decode_job, encode, read_frame

NICE = 5
ORPHANED = 3


def main() -> None:
    """Read a job from stdin, answer on stdout."""
    os.nice(NICE)
    jobs, words = sys.stdin.buffer, sys.stdout.buffer
    body = read_frame(jobs)
    if body is None:
        return
    threading.Thread(target=_follow_parent, args=(jobs,), daemon=True).start()
    _say(words, _answer(decode_job(body), words))
    os._exit(0)  # the watching thread still reads; nothing else is left to do


def _answer(job: Job, words: IO[bytes]) -> Word:
    try:
        solver, matrix = engine(job.engine), matrix_of(job.problem, CrowFlight())
        return Found(
            solver.solve(job.problem, matrix, job.budget, lambda now: _say(words, Searching(now)))
        )
    except Exception as error:  # noqa: BLE001 - whatever an engine throws fails this plan alone
        return Broken(f"{type(error).__name__}: {error}")


def _say(words: IO[bytes], word: Word) -> None:
    words.write(encode(word))
    words.flush()


def _follow_parent(jobs: IO[bytes]) -> None:
    """End the process when the other end of stdin is closed, whatever the engine is doing."""
    jobs.read()
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
