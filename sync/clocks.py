"""What we keep of a device's clocks from call to call. Pure; it lives in the journal's row.

For each of its last boots one anchor and the newest event dated; by how much its wall clock was
off; and until when it had told us everything. It is written only where a push writes anyway, or
with the note of a contact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sync.clockwork import (
    UNHEARD,
    Anchor,
    Bounds,
    Echo,
    Estimate,
    Offset,
    Seen,
    began_anew,
    estimate,
    lower,
    may_be_late,
    on_the_road,
    tighter,
)
from sync.moves import STILL, Moves
from sync.shown import DeviceTime

BOOTS = 8
MARKS = 3
_MOST_MONOTONIC = 1e15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call: the device's clocks as it began, and the last number it had then, if it said so.

    ``echo`` is what it had last heard of our time, in the boot it speaks in. ``moves`` say, by
    number, how its wall clock moved around the events it tells; None if nobody can know.
    """

    received: datetime
    sent: DeviceTime
    last_n: int | None = None
    echo: Echo | None = None
    moves: Mapping[int, Moves] | None = field(default_factory=dict)
    anchor: Anchor | None = field(init=False, default=None)
    offset: Offset | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Reckon what the call is worth: an anchor of its boot, an offset of the wall clock."""
        shown, wall = self.sent.monotonic_ms, self.sent.wall
        if self.sent.boot is not None and shown is not None and abs(shown) <= _MOST_MONOTONIC:
            road = on_the_road(self.received, shown, self.echo)
            object.__setattr__(self, "anchor", Anchor(self.received, shown, road))
        if wall is not None:
            road = (self.anchor.road if self.anchor else None) or timedelta()
            object.__setattr__(self, "offset", Offset(self.received, wall - self.received, road))

    @property
    def proof(self) -> Echo | None:
        """The echo, if it contradicts neither itself nor us."""
        return self.echo if self.anchor and self.anchor.road is not None else None

    @property
    def sent_after(self) -> datetime:
        """The earliest moment at which the phone may have sent it."""
        road = self.anchor.road if self.anchor else None
        return self.received - (UNHEARD if road is None else road)


class Boot(Struct, frozen=True):
    """One boot of a device: its anchor, and the newest event of it that was dated."""

    id: str
    anchor: Anchor | None = None
    last_n: int | None = None
    last: datetime | None = None


class Mark(Struct, frozen=True):
    """A call, sent no earlier than then, at which the device had nothing to tell beyond ``n``.

    What it tells later happened after it. So the anchor of its boot, as we knew it then, and the
    offset of the wall clock lie before that, however many calls come between. ``heard`` is the
    first echo of something that the boot heard after that anchor.
    """

    n: int
    sent_after: datetime
    boot: str | None = None
    anchor: Anchor | None = None
    offset: Offset | None = None
    heard: Echo | None = None


class Clocks(Struct, frozen=True):
    """A device's clocks as its calls showed them; the boot heard of last comes first."""

    boots: tuple[Boot, ...] = ()
    offset: Offset | None = None
    marks: tuple[Mark, ...] = ()

    def date(self, event: DeviceTime, n: int | None, during: Exchange) -> tuple[Estimate, "Clocks"]:
        """Estimate when an event happened; return what is known of the clocks after it."""
        made = estimate(event, self._bounds(event, n, during))
        boot = self._boot(event.boot)
        if boot is None or n is None or (boot.last_n is not None and n <= boot.last_n):
            return made, self
        dated = Boot(boot.id, boot.anchor, n, made.happened)
        return made, replace(self, boots=_first(dated, self.boots))

    def after(self, exchange: Exchange) -> "Clocks":
        """Return what is known once a call was heard."""
        boots, marks, anchor = self.boots, self.marks, exchange.anchor
        boot = self._boot(exchange.sent.boot)
        late = boot is not None and may_be_late(boot.anchor, anchor)
        if boot is not None and anchor is not None:
            if boot.anchor is not None and began_anew(boot.anchor, anchor):
                marks = tuple(_forgetting(boot.id, mark) for mark in marks)
            boot = replace(boot, anchor=tighter(boot.anchor, anchor))
            boots = _first(boot, boots)
            marks = tuple(_hearing(mark, boot.id, exchange.proof) for mark in marks)
        if late:
            return Clocks(boots, self.offset or exchange.offset, marks)
        offset = exchange.offset or self.offset
        return Clocks(boots, offset, _marked(marks, exchange, boot, offset))

    def _bounds(self, event: DeviceTime, n: int | None, during: Exchange) -> Bounds:
        boot = self._boot(event.boot)
        here = event.boot == during.sent.boot
        now, heard = (during.anchor, during.proof) if here else (None, None)
        marks = [mark for mark in self.marks if n is not None and mark.n < n]
        newer = boot is not None and n is not None and boot.last_n is not None and n > boot.last_n
        since = marks[0].heard if marks and marks[0].boot == event.boot else None
        return Bounds(
            received=during.received,
            anchors=_anchors(boot, now, marks),
            echoes=tuple(echo for echo in (heard, since) if echo),
            offsets=self._offsets(marks, during),
            not_before=max((mark.sent_after for mark in marks), default=None),
            floor=boot.last if boot and newer else None,
            moves=None if during.moves is None else during.moves.get(n or 0, STILL),
        )

    def _offsets(self, marks: Sequence[Mark], during: Exchange) -> tuple[Seen, ...]:
        """Return what the wall clock was off: now, when all was told, and last."""
        now, told = during.offset, marks[0].offset if marks else None
        seen = []
        if now:
            seen.append(Seen(now, before=False))
        if told:
            seen.append(Seen(told, after=False))
        if self.offset and self.offset not in {now, told}:
            seen.append(Seen(self.offset))
        return tuple(seen)

    def _boot(self, id_: str | None) -> Boot | None:
        if id_ is None or "\0" in id_:
            return None
        return next((boot for boot in self.boots if boot.id == id_), Boot(id_))


def _first(boot: Boot, boots: Sequence[Boot]) -> tuple[Boot, ...]:
    """Put a boot before the others; the one heard of longest ago is forgotten."""
    return (boot, *(other for other in boots if other.id != boot.id))[:BOOTS]


def _forgetting(boot: str, mark: Mark) -> Mark:
    """Leave the anchor of a boot out whose clock began anew."""
    return replace(mark, boot=None, anchor=None, heard=None) if mark.boot == boot else mark


def _marked(
    marks: tuple[Mark, ...], exchange: Exchange, boot: Boot | None, offset: Offset | None
) -> tuple[Mark, ...]:
    """Keep, for the newest numbers, the last call at which they were the newest."""
    n = exchange.last_n
    if n is None:
        return marks
    anchor = lower(boot.anchor, exchange.anchor) if boot else None
    mark = Mark(n, exchange.sent_after, boot.id if boot and anchor else None, anchor, offset)
    return (mark, *(mark for mark in marks if mark.n < n))[:MARKS]


def _hearing(mark: Mark, boot: str, echo: Echo | None) -> Mark:
    """Keep the first that the phone heard of us after the call."""
    if mark.boot != boot or mark.anchor is None or mark.heard is not None or echo is None:
        return mark
    return replace(mark, heard=echo) if echo.monotonic_ms >= mark.anchor.monotonic_ms else mark


def _anchors(boot: Boot | None, now: Anchor | None, marks: Sequence[Mark]) -> tuple[Anchor, ...]:
    """Return this call's anchor, the last one's, and that of the call at which all was told.

    A clock that began anew since was that of another boot, under the same name.
    """
    if boot is None:
        return ()
    told = marks[0].anchor if marks and marks[0].boot == boot.id else None
    before = [boot.anchor] if told == boot.anchor else [boot.anchor, told]
    known = (then for then in before if then and not (now and began_anew(then, now)))
    return (*([now] if now else ()), *known)


def write(clocks: Clocks) -> dict[str, Any]:
    """Write the clocks as JSON: moments as microseconds since 1970."""
    return {
        "boots": [_boot_to_json(boot) for boot in clocks.boots],
        "roads": [_road_to_json(boot.anchor) for boot in clocks.boots],
        "wall": _offset_to_json(clocks.offset),
        "told": [[mark.n, _micros(mark.sent_after)] for mark in clocks.marks],
        "since": [_mark_to_json(mark, [boot.id for boot in clocks.boots]) for mark in clocks.marks],
    }


def read(kept: Mapping[str, Any] | None) -> Clocks:
    """Read what ``write`` wrote."""
    if not kept:
        return Clocks()
    wall, boots = kept.get("wall"), kept.get("boots", ())
    roads = kept.get("roads") or [None] * len(boots)  # the release before wrote none
    told = kept.get("told", ())
    since = kept.get("since") or [None] * len(told)  # nor these
    known = tuple(_boot_from_json(road, *boot) for boot, road in zip(boots, roads, strict=True))
    return Clocks(
        boots=known,
        offset=_offset_from_json(*wall) if wall else None,
        marks=tuple(_mark_from_json(*mark, known) for mark in zip(told, since, strict=True)),
    )


def _boot_to_json(boot: Boot) -> list[str | float | None]:
    anchor, last = boot.anchor, boot.last
    return [
        boot.id,
        _micros(anchor.received) if anchor else None,
        anchor.monotonic_ms if anchor else None,
        boot.last_n,
        _micros(last) if last else None,
    ]


def _road_to_json(anchor: Anchor | None) -> int | None:
    return None if anchor is None or anchor.road is None else anchor.road // _MICROSECOND


def _boot_from_json(
    under_way: int | None,
    id_: str,
    at: int | None,
    shown: float | None,
    last_n: int | None,
    last: int | None,
) -> Boot:
    anchor = None if at is None or shown is None else _anchor_from_json(at, shown, under_way)
    return Boot(id_, anchor, last_n, None if last is None else _moment(last))


def _mark_to_json(mark: Mark, boots: Sequence[str]) -> list[Any]:
    """Tell the boot by its place; of one that is forgotten nothing need be known."""
    if mark.boot not in boots:
        return [None, None, _offset_to_json(mark.offset), None]
    anchor, heard = mark.anchor, mark.heard
    return [
        boots.index(mark.boot),
        [_micros(anchor.received), anchor.monotonic_ms, _road_to_json(anchor)] if anchor else None,
        _offset_to_json(mark.offset),
        [_micros(heard.told), heard.monotonic_ms] if heard else None,
    ]


def _offset_to_json(offset: Offset | None) -> list[int] | None:
    if offset is None:
        return None
    road = offset.road // _MICROSECOND
    return [_micros(offset.received), offset.ahead // _MICROSECOND, road]


def _mark_from_json(
    told: Sequence[int], since: Sequence[Any] | None, boots: Sequence[Boot]
) -> Mark:
    n, at = told
    place, anchor, offset, heard = since or (None, None, None, None)
    return Mark(
        n,
        _moment(at),
        None if place is None else boots[place].id,
        _anchor_from_json(*anchor) if anchor else None,
        _offset_from_json(*offset) if offset else None,
        Echo(_moment(heard[0]), heard[1]) if heard else None,
    )


def _anchor_from_json(at: int, shown: float, under_way: int | None) -> Anchor:
    return Anchor(_moment(at), shown, None if under_way is None else under_way * _MICROSECOND)


def _offset_from_json(at: int, ahead: int, under_way: int = 0) -> Offset:
    return Offset(_moment(at), ahead * _MICROSECOND, under_way * _MICROSECOND)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND
