"""When did it happen? A device's clocks, held against moments at which the server heard it.

Everything here is an interval that must hold the true moment. Within one boot the monotonic clock
carries any exchange of that boot to the event, whatever the wall clock did meanwhile; across boots
only the wall clock speaks, corrected by what it was off when we last saw it. A device's wall time
alone bounds nothing, and no wall time decides anything: see ``Estimate.bounded``.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

ROAD = timedelta(seconds=2)  # by how much two calls may disagree and their clock still be good
UNHEARD = timedelta(seconds=30)  # after that long on the road a phone has given its call up
FRESH = timedelta(seconds=10)  # how old a position may be whose GPS time still counts
REBOOT = timedelta(seconds=60)  # what a wall clock may have moved by itself across a boot
MONTH = timedelta(days=31)  # a claim that reaches further back is a broken clock
_DRIFT = 20_000  # one part in so many: 50 ppm
_MONTH_MS = MONTH.total_seconds() * 1000
_MOST_MS = 2**31 - 1
_TICK = timedelta(milliseconds=1)  # clocks are told in whole ones
_NOTHING = timedelta()


class Basis(StrEnum):
    """Which clock an estimate stands on."""

    MONOTONIC = "monotonic"
    GPS = "gps"
    WALL = "wall"
    RECEIPT = "receipt"


class DeviceTime(Struct, frozen=True):
    """A device's clocks at one moment; any of them may be missing."""

    wall: datetime | None = None
    monotonic_ms: float | None = None
    boot: str | None = None
    gps: datetime | None = None


class Anchor(Struct, frozen=True):
    """A call: when we received it, and what the monotonic clock of one boot showed at sending.

    By itself it only bounds from above, for it was sent before it came. ``road`` is how long it
    was under way at most; None if the phone did not say what it had heard of us before.
    """

    received: datetime
    monotonic_ms: float
    road: timedelta | None = None


class Echo(Struct, frozen=True):
    """A time that we told, and what the monotonic clock showed when the phone heard it."""

    told: datetime
    monotonic_ms: float


class Offset(Struct, frozen=True):
    """By how much a device's wall clock was ahead when we heard it."""

    received: datetime
    ahead: timedelta


class Bounds(Struct, frozen=True):
    """What bounds an event besides its own clocks.

    ``anchors`` are of the event's own boot. It happened after ``not_before``: a later call said
    that nothing was left to tell. ``floor`` is the estimate of the same boot's event before it.
    ``unset`` is what the wall clock would have shown at the event if it was set since, as the
    monotonic one says.
    """

    received: datetime
    anchors: tuple[Anchor, ...] = ()
    offsets: tuple[Offset, ...] = ()
    not_before: datetime | None = None
    floor: datetime | None = None
    unset: datetime | None = None


class Estimate(Struct, frozen=True):
    """The moment an event happened, never after it was received.

    ``uncertainty_ms`` is None where nothing of ours bounds it.
    """

    happened: datetime
    uncertainty_ms: int | None
    basis: Basis = Basis.RECEIPT

    @property
    def bounded(self) -> bool:
        """Whether anchors of the event's own boot bound it; only then may it decide anything."""
        return self.basis is Basis.MONOTONIC and self.uncertainty_ms is not None


class _Span(Struct, frozen=True):
    """The true moment lies in ``low`` to ``high``; ``best`` is what we tell."""

    low: datetime
    best: datetime
    high: datetime
    basis: Basis


def estimate(event: DeviceTime, known: Bounds) -> Estimate:
    """Estimate when an event happened from its own clocks and what else is known."""
    span = _by_anchors(event, known) or _by_wall(event, known)
    span = _by_gps(event, known, span)
    if span is None:
        return _unbounded(event, known)
    return _told(_within(span, known), known)


def _by_anchors(event: DeviceTime, known: Bounds) -> _Span | None:
    """Carry each anchor to the event.

    A clock that stands still while the phone sleeps counts too little, so an anchor before the
    event bounds it from below and one after it from above, whatever happened between them. Where
    anchors disagree by more than a road explains, the interval is as wide as they disagree. A road
    that is presumed gives way to one that is proven.
    """
    if event.monotonic_ms is None or not known.anchors:
        return None
    spans = []
    for anchor in known.anchors:
        span = _carry(anchor, event.monotonic_ms)
        if span is None:
            return None
        spans.append(span)
    pairs = list(zip(spans, known.anchors, strict=True))
    first, tight = min(pairs, key=lambda pair: pair[0].high)
    proven = [span.low for span, anchor in pairs if anchor.road is not None]
    low = max(proven or [span.low for span in spans])
    slept = [s for s, a in pairs if a.monotonic_ms > tight.monotonic_ms and _doubts(s, a, first)]
    if slept or low > first.high:
        later = [span for span, anchor in pairs if _follows(anchor, event)]
        best = min(later or spans, key=lambda span: span.high)
        low = min(span.low for span in spans)
        first = _Span(low, best.best, best.high, Basis.MONOTONIC)
    earliest = low if proven else first.best - ROAD
    usable = earliest <= known.received and known.received - first.best <= MONTH
    return _Span(low, first.best, first.high, Basis.MONOTONIC) if usable else None


def _carry(anchor: Anchor, monotonic_ms: float) -> _Span | None:
    milliseconds = monotonic_ms - anchor.monotonic_ms
    if not -_MONTH_MS <= milliseconds <= _MONTH_MS:
        return None
    away = timedelta(milliseconds=milliseconds)
    best, drift = anchor.received + away, abs(away) // _DRIFT
    road = UNHEARD if anchor.road is None else anchor.road
    return _Span(best - road - drift, best, best + drift, Basis.MONOTONIC)


def _doubts(span: _Span, anchor: Anchor, first: _Span) -> bool:
    """Whether a later call says more than a road explains: the clock may have stood still."""
    road = UNHEARD if anchor.road is None else anchor.road
    return span.low + max(road - ROAD, _NOTHING) > first.high


def _follows(anchor: Anchor, event: DeviceTime) -> bool:
    return event.monotonic_ms is not None and anchor.monotonic_ms >= event.monotonic_ms


def _by_wall(event: DeviceTime, known: Bounds) -> _Span | None:
    """Correct the event's wall time by every offset we saw; the first of them is the likeliest.

    Where the wall clock was set, or the monotonic one slept, between event and call, nobody knows
    which of the two: the bound reaches over both.
    """
    if event.wall is None or not known.offsets:
        return None
    walls = [event.wall] if known.unset is None else [event.wall, known.unset]
    spans = [_corrected(wall, offset) for wall in walls for offset in known.offsets]
    low, high = min(span.low for span in spans), max(span.high for span in spans)
    if low > known.received or known.received - spans[0].best > MONTH:
        return None
    return _Span(low, spans[0].best, high, Basis.WALL)


def _corrected(wall: datetime, offset: Offset) -> _Span:
    best = wall - offset.ahead
    margin = REBOOT + abs(offset.received - best) // _DRIFT
    return _Span(best - margin, best, best + margin, Basis.WALL)


def _by_gps(event: DeviceTime, known: Bounds, span: _Span | None) -> _Span | None:
    """Prefer GPS time, unless our own clocks show that the position was an old one."""
    gps = event.gps
    if gps is None or gps > known.received or known.received - gps > MONTH:
        return span
    if span is None:
        return _Span(gps, gps, gps + FRESH, Basis.GPS)
    slack = span.best - span.low if span.basis is Basis.WALL else _NOTHING
    if not span.low - FRESH <= gps <= span.high or span.best - gps > FRESH + slack:
        return span
    basis = span.basis if span.basis is Basis.MONOTONIC else Basis.GPS
    return _Span(gps, gps, max(min(gps + FRESH, span.high), gps), basis)


def _within(span: _Span, known: Bounds) -> _Span:
    """Cut off what lies before the exchange before it, and after the one that brought it.

    A phone that kept something back and did not say so contradicts its wall clock; then we do not
    know which of them is right. It does not contradict an anchor.
    """
    low, high = span.low, min(span.high, known.received)
    if known.not_before is not None:
        earliest = min(known.not_before, known.received)
        if earliest <= high:
            low = max(low, earliest)
        elif span.basis is not Basis.MONOTONIC:
            high = known.received
    if low > high:
        low, high = min(low, known.received), known.received
    return _Span(low, min(max(span.best, low), high), high, span.basis)


def _told(span: _Span, known: Bounds) -> Estimate:
    best = _after_the_last(span.best, known)
    away = max(best - span.low, span.high - best, _NOTHING)
    milliseconds = -(-away // timedelta(milliseconds=1))
    return Estimate(best, min(milliseconds, _MOST_MS), span.basis)


def _unbounded(event: DeviceTime, known: Bounds) -> Estimate:
    """Tell the device's own word where there is one, and that it is nothing more."""
    if event.wall is None or known.offsets or known.received - event.wall > MONTH:
        return Estimate(_after_the_last(known.received, known), None)
    return Estimate(_after_the_last(event.wall, known), None, Basis.WALL)


def _after_the_last(moment: datetime, known: Bounds) -> datetime:
    return min(max(moment, known.floor or moment), known.received)


def tighter(old: Anchor | None, new: Anchor) -> Anchor:
    """Choose the anchor of a boot that is worth keeping.

    A request that spent longer on the road makes a later anchor, so the earlier claim wins, until
    its clock may have drifted further. A clock that began anew, or stood still, leaves the new one;
    one that shows no more than before and no echo may be that of an old call.
    """
    if old is None or began_anew(old, new):
        return new
    carried = _carry(old, new.monotonic_ms)
    if new.monotonic_ms < old.monotonic_ms or may_be_late(old, new) or carried is None:
        return old if carried else new
    if new.received - carried.high > REBOOT:
        return new
    return _joined(old, new) if carried.high < new.received else _joined(new, old)


def _joined(kept: Anchor, other: Anchor) -> Anchor:
    """Bound the road of the anchor we keep by what the other one proves, if they agree."""
    span = None if other.road is None else _carry(other, kept.monotonic_ms)
    if span is None or span.low > kept.received:
        return kept
    road = kept.received - span.low
    return replace(kept, road=road if kept.road is None else min(road, kept.road))


def on_the_road(received: datetime, sent_ms: float, echo: Echo | None) -> timedelta | None:
    """Return how long a call was under way at most: we told our time before the phone heard it.

    An echo of another boot, or one that nobody told, contradicts itself and proves nothing.
    """
    if echo is None or not 0 <= sent_ms - echo.monotonic_ms <= _MONTH_MS:
        return None
    since = timedelta(milliseconds=sent_ms - echo.monotonic_ms)
    road = received - echo.told - since + since // _DRIFT + _TICK
    return road if road >= _NOTHING else None


def began_anew(old: Anchor, new: Anchor) -> bool:
    """Whether a clock that shows less has started over since, and is not an old request come late.

    A clock that started over cannot have run for longer than we know of the earlier run.
    """
    if new.monotonic_ms >= old.monotonic_ms:
        return False
    passed = new.received - old.received
    return timedelta(milliseconds=max(new.monotonic_ms, 0)) <= passed + ROAD


def may_be_late(old: Anchor | None, new: Anchor | None) -> bool:
    """Whether a call may be one from before, come late, so that nothing says when it was sent.

    A clock that began anew under the same name looks alike; its next call will not.
    """
    if old is None or new is None or new.road is not None:
        return False
    return new.monotonic_ms <= old.monotonic_ms
