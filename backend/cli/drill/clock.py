"""A phone's clocks as its owner and its battery treat them."""

import random
import time
import uuid
from datetime import UTC, datetime, timedelta

_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


class PhoneClock:
    """A wall clock that jumps, and a monotonic one that begins anew with every boot."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._off = timedelta()
        self.worst = timedelta()
        self.boot = ""
        self._began = 0
        # When each boot's monotonic clock stood at zero, truly.
        self._boots: dict[str, datetime] = {}
        self.reboot()

    def wall(self) -> datetime:
        """What the phone shows."""
        return min(max(datetime.now(UTC) + self._off, _EARLIEST), _LATEST)

    def monotonic_ms(self) -> int:
        """Milliseconds since the boot."""
        return (time.monotonic_ns() - self._began) // 1_000_000

    def jump(self, by: timedelta) -> None:
        """Set the wall clock, as a driver or a bad network does."""
        self._off += by
        self.worst = max(self.worst, abs(self._off))

    def reboot(self) -> None:
        """Switch the phone off and on."""
        self.boot = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        self._began = time.monotonic_ns() - self._dice.randrange(60_000) * 1_000_000
        self._boots[self.boot] = datetime.now(UTC) - timedelta(milliseconds=self.monotonic_ms())

    def truth(self, boot: str, monotonic_ms: int) -> datetime | None:
        """When it truly was, whatever the wall clock said; None for a boot of another phone."""
        zero = self._boots.get(boot)
        return zero + timedelta(milliseconds=monotonic_ms) if zero else None
