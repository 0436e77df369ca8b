"""Named points at which a life of the server may end, counted where every life can see it.

A point belongs to the door through which the request came, so that ``push.before_commit`` and
``upload.before_commit`` are two. Counts lie in memory that forks share: they outlive the dead.
"""

import contextvars
import mmap
import os
import random
import signal
import struct
import threading
from dataclasses import dataclass

# What every door's requests pass, from the first byte to the last.
_COMMON = (
    "request", "before_statement", "after_statement", "before_entries", "after_entries",
    "before_commit", "mid_commit", "after_commit", "before_reply", "mid_reply", "after_reply",
)  # fmt: skip
_OWN = {
    "push": ("before_journal_lock", "after_journal_lock", "before_scopes", "after_scopes"),
    "console": ("before_scopes", "after_scopes"),
    "upload": (
        "mid_chunk", "after_chunk", "before_sync", "before_rename", "after_rename",
        "before_discard", "after_discard",
    ),
}  # fmt: skip
DOORS = {"/driver/v1/sync": "push", "/driver/v1/evidence": "upload", "/console/": "console"}
# Answers to uploads have no body worth cutting.
_WITHOUT = {"upload.mid_reply"}
POINTS = tuple(
    name
    for door, own in _OWN.items()
    for point in (*_COMMON, *own)
    if (name := f"{door}.{point}") not in _WITHOUT
)
_LONGEST_COMMIT_S = 0.004
_TWO = struct.Struct("=QQ")

door: contextvars.ContextVar[str] = contextvars.ContextVar("door", default="")


@dataclass(frozen=True, slots=True)
class Aim:
    """Where this life ends: the n-th time it comes by."""

    point: str
    nth: int = 1


class Counts:
    """How often each point was reached, and how often a life ended there."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _TWO.size * len(POINTS))
        self._place = {name: _TWO.size * k for k, name in enumerate(POINTS)}

    def of(self, name: str) -> tuple[int, int]:
        """Reached, ended."""
        reached, ended = _TWO.unpack_from(self._shared, self._place[name])
        return reached, ended

    def add(self, name: str, *, reached: int = 0, ended: int = 0) -> None:
        """Count."""
        before = self.of(name)
        _TWO.pack_into(self._shared, self._place[name], before[0] + reached, before[1] + ended)


class Fate:
    """What one life carries with it: its aim, and the counts it adds to."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._aim: Aim | None = None
        self._left = 0
        self._one_at_a_time = threading.Lock()

    def begin(self, aim: Aim | None) -> None:
        """Begin a life."""
        self._aim, self._left = aim, aim.nth if aim else 0
        self._one_at_a_time = threading.Lock()

    def comes(self, point: str) -> bool:
        """Pass a point; tell whether this is where the life is to end."""
        if not (here := door.get()):
            return False
        name = f"{here}.{point}"
        with self._one_at_a_time:
            if name not in _KNOWN:
                return False
            self._counts.add(name, reached=1)
            if self._aim is None or self._aim.point != name:
                return False
            self._left -= 1
            return self._left == 0

    def passes(self, point: str) -> None:
        """Pass a point, or end there."""
        if self.comes(point):
            self.end()

    def ends_soon(self, point: str) -> None:
        """Pass a point, or end in the middle of what comes next."""
        if self.comes(point):
            wait = random.uniform(0, _LONGEST_COMMIT_S)
            threading.Timer(wait, self.end).start()

    def end(self) -> None:
        """Be killed, as a power cut would."""
        if self._aim is not None:
            self._counts.add(self._aim.point, ended=1)
        os.kill(os.getpid(), signal.SIGKILL)


_KNOWN = frozenset(POINTS)
