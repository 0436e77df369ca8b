"""A server that stops tells its workers first to end their event streams.

Left alone a worker waits for every open connection, and an event stream stays open for a quarter of
an hour. So the signal that ends the server is passed on as another one before it does its work.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TypeAlias, cast

_Handler: TypeAlias = Callable[[int, FrameType | None], None]
_FAREWELL = signal.SIGUSR1


def warn_workers() -> None:
    """Let whatever ends this process warn its workers first; once its own handlers are set."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, _warning(cast("_Handler", signal.getsignal(sign))))


def _warning(end: _Handler) -> _Handler:
    def handler(sign: int, frame: FrameType | None) -> None:
        for worker in multiprocessing.active_children():
            if worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, _FAREWELL)
        end(sign, frame)

    return handler


def on_warning(work: Callable[[], None]) -> None:
    """Do this in a worker when its server is about to stop."""
    asyncio.get_running_loop().add_signal_handler(_FAREWELL, work)
