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

from sync.moves import STILL, Moves
from sync.shown import DeviceTime

ROAD = timedelta(seconds=2)  # by how much two calls may disagree and their clock still be good
UNHEARD = timedelta(seconds=30)  # after that long on the road a phone has given its call up
FRESH = timedelta(seconds=10)  # how old a position may be whose GPS time still counts
REBOOT = timedelta(seconds=60)  # what a wall clock may have moved by itself across a boot
MONTH = timedelta(days=31)  # a claim that reaches further back is a broken clock
_DRIFT = 20_000  # one part in so many of what a phone counted: 50 ppm
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
    """By how much a device's wall clock was ahead when we heard it.

    It was ahead by up to ``road`` more: the call that showed it may have been as long under way.
    """

    received: datetime
    ahead: timedelta
    road: timedelta = _NOTHING


class Seen(Struct, frozen=True):
    """An offset seen at a call, and where that call lies.

    Between the event and a call ``before`` it lie the event's moves until then, between the event
    and the call ``after`` it those since; a call of which neither is known has both.
    """

    offset: Offset
    before: bool = True
    after: bool = True


class Bounds(Struct, frozen=True):
    """What bounds an event besides its own clocks.

    ``anchors`` are of the event's own boot, as are ``echoes``, times that the phone heard of us
    there. It happened after ``not_before``: a later call said that nothing was left to tell.
    ``floor`` is the estimate of the same boot's event before it. ``moves`` say how the wall clock
    moved around the event otherwise than the monotonic one; None if nobody can know.
    """

    received: datetime
    anchors: tuple[Anchor, ...] = ()
    echoes: tuple[Echo, ...] = ()
    offsets: tuple[Seen, ...] = ()
    not_before: datetime | None = None
    floor: datetime | None = None
    moves: Moves | None = STILL


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
    """The true moment lies in ``low`` to ``high``; ``best`` is what we tell.

    ``parts`` are the claims that a wall clock's span reaches over.
    """

    low: datetime
    best: datetime
    high: datetime
    basis: Basis
    parts: tuple["_Span", ...] = ()


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
    event bounds it from below and one after it from above, whatever happened between them. Only
    where one side has none does the other bound both. A road that is presumed gives way to one
    that is proven.
    """
    shown = event.monotonic_ms
    if shown is None:
        return None
    pairs = [(span, anchor) for anchor in known.anchors if (span := _carry(anchor, shown))]
    if not pairs:
        return None
    first, tight = min(pairs, key=lambda pair: pair[0].high)
    before = [(span, anchor) for span, anchor in pairs if anchor.monotonic_ms < shown]
    later = [span for span, anchor in pairs if _follows(anchor, shown, known)]
    proven = [span.low for span, anchor in before or pairs if anchor.road is not None]
    proven += [low for echo in known.echoes if (low := _since_heard(echo, shown))]
    low = max(proven or [span.low for span, _ in before or pairs])
    slept = any(a.monotonic_ms > tight.monotonic_ms and _doubts(s, a, first) for s, a in pairs)
    if later:
        last = min(later, key=lambda span: span.high)
    else:
        last = max((s for s, _ in pairs), key=lambda span: span.high) if slept else first
    if low > last.high:  # a road was longer than presumed, or a clock is none
        low = min(span.low for span, _ in pairs)
    best = max(low, last.best if slept else first.best)
    earliest = low if proven else best - ROAD
    usable = earliest <= known.received and known.received - best <= MONTH
    return _Span(low, best, last.high, Basis.MONOTONIC) if usable else None


def _follows(anchor: Anchor, shown: float, known: Bounds) -> bool:
    """Whether a call came after the event; of one that shows the same, only if it brought it."""
    brought = anchor.received == known.received
    return anchor.monotonic_ms > shown or (brought and anchor.monotonic_ms == shown)


def _since_heard(echo: Echo, shown: float) -> datetime | None:
    """Return when it was at the earliest, by a time of ours that the phone heard before."""
    if not 0 <= shown - echo.monotonic_ms <= _MONTH_MS:
        return None
    since = timedelta(milliseconds=shown - echo.monotonic_ms)
    return echo.told + since - since // _DRIFT - _TICK


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


def _by_wall(event: DeviceTime, known: Bounds) -> _Span | None:
    """Correct the event's wall time by every offset we saw; the first of them is the likeliest.

    Where the wall clock was set, or the monotonic one slept, between event and call, the bound
    reaches over all that can have been.
    """
    if event.wall is None or not known.offsets:
        return None
    moves = known.moves or STILL
    spans = tuple(
        _corrected(wall, seen.offset)
        for seen in known.offsets
        for wall in moves.as_set(event.wall, before=seen.before, after=seen.after)
    )
    low, high = min(span.low for span in spans), max(span.high for span in spans)
    if low > known.received or known.received - spans[0].best > MONTH:
        return None
    return _Span(low, spans[0].best, high, Basis.WALL, spans)


def _corrected(wall: datetime, offset: Offset) -> _Span:
    best = wall - offset.ahead
    margin = REBOOT + abs(offset.received - best) // _DRIFT
    return _Span(best - margin - offset.road, best, best + margin, Basis.WALL)


def _by_gps(event: DeviceTime, known: Bounds, span: _Span | None) -> _Span | None:
    """Prefer GPS time, unless our own clocks show that the position was an old one."""
    gps = event.gps
    if gps is None or gps > known.received or known.received - gps > MONTH:
        return span
    if span is None:
        return _Span(gps, gps, gps + FRESH, Basis.GPS)
    if not any(_fresh(gps, part) for part in span.parts or (span,)):
        return span
    basis = span.basis if span.basis is Basis.MONOTONIC else Basis.GPS
    return _Span(gps, gps, max(min(gps + FRESH, span.high), gps), basis)


def _fresh(gps: datetime, span: _Span) -> bool:
    slack = span.best - span.low if span.basis is Basis.WALL else _NOTHING
    return span.low - FRESH <= gps <= span.high and span.best - gps <= FRESH + slack


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
    unknown = span.basis is Basis.WALL and known.moves is None
    bound = None if unknown or milliseconds > _MOST_MS else milliseconds
    return Estimate(best, bound, span.basis)


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
    if carried.high >= new.received:
        return _joined(new, old)
    return _joined(old, new) if old.road is None else old


def lower(old: Anchor | None, new: Anchor | None) -> Anchor | None:
    """Choose the anchor of a boot that bounds best from below what happened after both."""
    if old is None or new is None:
        return new or old
    carried, here = _carry(old, new.monotonic_ms), _carry(new, new.monotonic_ms)
    return old if carried and here and carried.low >= here.low else new


def _joined(kept: Anchor, other: Anchor) -> Anchor:
    """Bound the road of the anchor we keep by what the other one proves, if they agree.

    A later one proves something of an earlier one only by the first thing heard after it: the phone
    may have slept since.
    """
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
