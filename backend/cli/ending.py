"""Ending in order: SIGTERM, Ctrl-C and a closed terminal put away what was begun, then end."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from types import FrameType


class BrokenOff(SystemExit):
    """An ending signal came while nobody waited for one; with 0, for whom that is a good end."""


SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def end_on_signals() -> None:
    """Make every ending signal raise BrokenOff, so that what was begun is put away."""
    for sign in SIGNALS:
        signal.signal(sign, _exit)


async def until_signal(work: Coroutine[object, object, object]) -> bool:
    """Do the work; an ending signal cancels it, once. Whether one did."""
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
    return task.cancelled()


def _exit(_sign: int, _frame: FrameType | None) -> None:
    raise BrokenOff(0)
