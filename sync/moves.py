"""By how much a phone's wall clock moved otherwise than its monotonic one, around each event.

A phone that was switched off before any call was heard in that boot has only its wall clock to say
when things happened. But every event shows both clocks: where between two of one boot the wall
clock gained on the monotonic one, it was set forward, or the monotonic one slept; where it lost, it
was set back. Across a reboot nothing tells; there the wall clock is taken to have run on.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from sync.shown import DeviceTime

_NOTHING = timedelta()
_MOST = timedelta(days=366)  # clocks that part further than this are none


class Way(Struct, frozen=True):
    """What lies between two moments: set ``back`` for certain; set ``forth``, or slept."""

    back: timedelta = _NOTHING
    forth: timedelta = _NOTHING

    def then(self, step: timedelta) -> "Way":
        """Go on, over a stretch on which the wall clock gained or lost so much."""
        if step < _NOTHING:
            return Way(self.back + step, self.forth)
        return Way(self.back, self.forth + step)


class Moves(Struct, frozen=True):
    """How the wall clock moved from the first event of a call to this one, and from it on."""

    until: Way = Way()
    since: Way = Way()

    def as_set(self, wall: datetime, *, before: bool, after: bool) -> Iterator[datetime]:
        """What the wall clock would have shown, were it set as it was before or after: the ends.

        The likeliest comes first: that what was not set back was slept.
        """
        if after:
            yield wall + self.since.back
            yield wall + self.since.back + self.since.forth
        if before:
            yield wall - self.until.back
            yield wall - self.until.back - self.until.forth


STILL = Moves()


def moves(
    sent: DeviceTime, told: Sequence[tuple[int, DeviceTime]], *, more: bool
) -> Mapping[int, Moves] | None:
    """Return, for each number, how the wall clock moved around its event.

    ``told`` are the numbered events of one call in their order; ``more`` of them wait on the phone.
    None where nobody can know: its clocks parted too far, or what is still to be told may show it.
    """
    if more:
        return None
    way, last, ways = Way(), None, list[Way]()
    for shown in (*(event for _, event in told), sent):
        zero = _zero(shown)
        if zero is not None and last is not None and last[0] == shown.boot:
            step = zero - last[1]
            if abs(step) > _MOST:
                return None
            way = way.then(step)
        if zero is not None:
            last = (shown.boot, zero)
        ways.append(way)
    *until, whole = ways
    found: dict[int, Moves] = {}
    for (n, _), done in zip(told, until, strict=True):
        found.setdefault(n, Moves(done, Way(whole.back - done.back, whole.forth - done.forth)))
    return found


def _zero(shown: DeviceTime) -> datetime | None:
    """Return the wall time at which this boot's monotonic clock would have shown nothing."""
    if shown.wall is None or shown.monotonic_ms is None or shown.boot is None:
        return None
    try:
        return shown.wall - timedelta(milliseconds=shown.monotonic_ms)
    except (OverflowError, ValueError):
        return None
