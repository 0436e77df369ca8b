"""What a wall clock would have shown if nobody had set it between an event and the call it came in.

A phone that was switched off before any call was heard in that boot has only its wall clock to say
when things happened. But every event shows both clocks: where the wall clock moved otherwise than
the monotonic one between two of them, it was set there, or the monotonic one stood still. Across a
reboot nothing tells; there the wall clock is taken to have run on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sync.clockwork import DeviceTime

_NOTHING = timedelta()


def zeros(sent: DeviceTime, told: Sequence[DeviceTime]) -> Mapping[str, datetime]:
    """Return, for each boot, the wall time at its monotonic zero as the clock is set at sending.

    ``told`` are the events of one call in the order in which they happened. A boot whose clocks
    cannot be reckoned with is left out.
    """
    found: dict[str, datetime] = {}
    set_since, later = _NOTHING, sent
    for event in reversed(told):
        zero = _zero(event)
        if zero is None or event.boot is None:
            continue
        above = _zero(later) if later.boot == event.boot else None
        if above is not None:
            set_since += above - zero
        later = event
        try:
            found.setdefault(event.boot, zero + set_since)
        except OverflowError:
            break
    return found


def _zero(shown: DeviceTime) -> datetime | None:
    """Return the wall time at which this boot's monotonic clock would have shown nothing."""
    if shown.wall is None or shown.monotonic_ms is None:
        return None
    try:
        return shown.wall - timedelta(milliseconds=shown.monotonic_ms)
    except (OverflowError, ValueError):
        return None
