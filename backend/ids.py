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
_NOISE_LASTS_MS = 3_600_000


class IdMaker:
    """UUIDv7 with a counter of its own (RFC 9562 §6.2, method 1), and noise that lasts an hour.

    48 bits of milliseconds, 12 that count within one and carry over into the next, and 62 of noise.
    §5.7 would have the noise drawn for every id; here a process draws it once an hour, so that ids
    of one day differ in few digits, and a manifest of hundreds is a fifth lighter on the road.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._tick = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what a parent process drew, and a lock that one of its threads may have held."""
        self._lock = threading.Lock()
        self._hour = -1
        self._noise = 0

    def make(self) -> UUID:
        """Make an id greater than all that were made here before."""
        with self._lock:
            now_ms = self._now_ns() // 1_000_000
            hour = now_ms // _NOISE_LASTS_MS
            if hour != self._hour:
                self._hour, self._noise = hour, secrets.randbits(_NOISE_BITS)
            self._tick = max(now_ms << _COUNTER_BITS, self._tick + 1)
            ms, count = divmod(self._tick, 1 << _COUNTER_BITS)
            return UUID(int=ms << 80 | 7 << 76 | count << 64 | 2 << 62 | self._noise)


maker = IdMaker()
os.register_at_fork(after_in_child=maker.begin_anew)


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
