"""A phone's clocks: the wall clock a driver may set wrong, and the monotonic one he cannot.

Every act carries both, with the boot they belong to, so that a server can work out when it truly
happened.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from handset.wire import Body

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# On Linux the other one stands still while the machine sleeps.
_AWAKE_OR_NOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class DeviceClock(Protocol):
    """What the operating system of a phone offers."""

    @property
    def boot(self) -> str: ...

    def wall(self) -> datetime: ...

    def monotonic_ms(self) -> int: ...


class SystemClock:
    """The clocks of the machine we run on."""

    def __init__(self) -> None:
        self._boot = _read_boot()

    @property
    def boot(self) -> str:
        return self._boot

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(_AWAKE_OR_NOT) // 1_000_000


class ShiftedClock:
    """A phone whose wall clock is wrong by a fixed amount; its monotonic clock is still true."""

    def __init__(self, by: timedelta, clock: DeviceClock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._by = by

    @property
    def boot(self) -> str:
        return self._clock.boot

    def wall(self) -> datetime:
        return self._clock.wall() + self._by

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()


class Heard:
    """The server's last word of its time, and what this boot's clock showed after it arrived.

    Echoed, it bounds how long the next call is on the road. An app that was killed has forgotten
    it, which makes its next call less certain and nothing wrong.
    """

    def __init__(self, clock: DeviceClock) -> None:
        self._clock = clock
        self._last: tuple[str, Body] | None = None

    def note(self, server_time: str) -> None:
        showed = self._clock.monotonic_ms()
        self._last = (self._clock.boot, {"server_time": server_time, "monotonic_ms": showed})

    def echo(self) -> Body | None:
        if self._last is None or self._last[0] != self._clock.boot:
            return None
        return self._last[1]


def rfc3339(at: datetime) -> str:
    """UTC with milliseconds and `Z`, the only form of time on the wire."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def stamp(clock: DeviceClock, gps: datetime | None = None) -> Body:
    """The `at` of a mutation captured now."""
    return {
        "wall": rfc3339(clock.wall()),
        "monotonic_ms": clock.monotonic_ms(),
        "boot": clock.boot,
        "gps": rfc3339(gps) if gps else None,
    }


def _read_boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        # No kernel, no boot id: a fresh one per process, as the monotonic clock may start anew.
        return str(uuid.uuid4())
