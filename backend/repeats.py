"""Faults that repeat: each is logged once as a whole, then counted, a line a minute.

What works a few times a second would otherwise fill a disk while a database is away.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

TELL_S = 60.0
_LONGEST = 200  # characters of a fault's own words, once it is only counted
_Fault = tuple[str, str, str]


@dataclass(slots=True)
class _Known:
    """A fault that goes on: how often in all, how often untold, and when (monotonic seconds)."""

    words: str
    told_at: float
    last_at: float
    times: int = 1
    untold: int = 0


class Repeats:
    """What has failed of late. Faults are the same if their type, origin and work are."""

    def __init__(self, log: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._now = now
        self._known: dict[_Fault, _Known] = {}

    def note(self, error: BaseException, work: str, *, shared: bool = False) -> None:
        """Take a fault of some work; `shared` ones (an outage) are one fault for all work."""
        root, now = _root(error), self._now()
        fault = ("" if shared else work, type(root).__name__, _origin(root))
        known = self._known.get(fault)
        if known is None:
            self._known[fault] = _Known(_words(root, "" if shared else work), now, now)
            self._log.error("%s failed, and is tried again", work, exc_info=error)
        else:
            known.last_at, known.times, known.untold = now, known.times + 1, known.untold + 1
        self.tell()

    def tell(self) -> None:
        """Say what goes on and what is over, if it is time; to be called every now and then."""
        now = self._now()
        for fault, known in list(self._known.items()):
            if now - known.last_at >= TELL_S:
                del self._known[fault]
                if known.times > 1:
                    self._log.warning("over: %s, %d times in all", known.words, known.times)
            elif known.untold and now - known.told_at >= TELL_S:
                self._log.warning("still: %s, %d times more", known.words, known.untold)
                known.told_at, known.untold = now, 0


def _root(error: BaseException) -> BaseException:
    """Find what it came from: libraries wrap the same fault in words that differ each time."""
    while (cause := error.__cause__) is not None:
        error = cause
    return error


def _origin(error: BaseException) -> str:
    """Name the line of code that raised it."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return "" if step is None else f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}"


def _words(error: BaseException, work: str) -> str:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
    return f"{work}: {said}" if work else said
