"""A phone's clocks beside the server's: they may be set wrong, start anew, and drift."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from tests.fixtures.clock import FakeClock


@dataclass
class PhoneClock:
    """Satisfies `handset.DeviceClock`; `set_wrong` and `reboot` do what drivers do."""

    truth: FakeClock
    ahead: timedelta = timedelta()
    boot: str = "boot-1"
    begun: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.truth.now() - timedelta(hours=1)

    def wall(self) -> datetime:
        return self.truth.now() + self.ahead

    def monotonic_ms(self) -> int:
        return (self.truth.now() - self.begun) // timedelta(milliseconds=1)

    def set_wrong(self, **by: float) -> None:
        """Move the wall clock, and nothing else."""
        self.ahead += timedelta(**by)

    def reboot(self) -> None:
        """Start the monotonic clock anew."""
        self.boot, self.begun = f"boot-{uuid4()}", self.truth.now()
