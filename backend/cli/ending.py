"""Ending in order: SIGTERM, Ctrl-C and a closed terminal unwind the stack and exit with 0."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def end_on_signals() -> None:
    """Make every ending signal raise SystemExit(0), so that what was begun is put away."""
    for sign in SIGNALS:
        signal.signal(sign, _exit)


async def until_signal(work: Coroutine[object, object, object]) -> None:
    """Do the work; an ending signal cancels it, once, and counts as success."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell() -> None:
        if not told.is_set():  # a second signal must not disturb the tidying up
            told.set()
            task.cancel()

    for sign in SIGNALS:
        loop.add_signal_handler(sign, tell)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _exit(_sign: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
