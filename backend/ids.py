"""Identifiers. The server makes UUIDv7 (they sort by time); devices may make v4 or v7.

They are names and no secrets: nobody may do anything for knowing one (decision 0018).
"""

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from uuid import UUID

# The request that the present task serves, if any; entries of the log name it.
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)

_COUNTER_BITS = 12
_NOISE_BITS = 62


class IdMaker:
    """UUIDv7 with a counter of its own (RFC 9562 §6.2, method 1).

    48 bits of milliseconds, 12 that count within one and carry over into the next, and 62 of noise
    that a process draws once a second: ids of what was made together differ in few digits, and a
    manifest of hundreds weighs a fifth less on the road.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._tick = 0
        self._drawn: tuple[int, int] | None = None
        self._noise = 0

    def make(self) -> UUID:
        """Make an id greater than all that this process made before."""
        with self._lock:
            now_ms = self._now_ns() // 1_000_000
            self._tick = max(now_ms << _COUNTER_BITS, self._tick + 1)
            ms, count = divmod(self._tick, 1 << _COUNTER_BITS)
            drawn = (os.getpid(), ms // 1_000)  # a child of this process draws its own
            if drawn != self._drawn:
                self._drawn, self._noise = drawn, secrets.randbits(_NOISE_BITS)
            return UUID(int=ms << 80 | 7 << 76 | count << 64 | 2 << 62 | self._noise)


maker = IdMaker()


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562) greater than all that this process made before."""
    return maker.make()


def parse_id(text: str) -> UUID | None:
    """Read a UUID in its canonical 36-character form; None if it is anything else."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
