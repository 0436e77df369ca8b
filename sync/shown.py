"""What a device's clocks show at one moment."""

from datetime import datetime

from msgspec import Struct


class DeviceTime(Struct, frozen=True):
    """A device's clocks at one moment; any of them may be missing.

    ``monotonic_ms`` counts milliseconds of one boot and is never set.
    """

    wall: datetime | None = None
    monotonic_ms: float | None = None
    boot: str | None = None
    gps: datetime | None = None
