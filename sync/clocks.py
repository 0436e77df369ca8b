"""What we keep of a device's clocks from call to call. Pure; it lives in the journal's row.

For each of its last boots one anchor and the newest event dated; by how much its wall clock was
off; and until when it had told us everything. It is written only where a push writes anyway, or
with the note of a contact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sync.clockwork import (
    UNHEARD,
    Anchor,
    Bounds,
    DeviceTime,
    Echo,
    Estimate,
    Offset,
    began_anew,
    estimate,
    may_be_late,
    on_the_road,
    tighter,
)

BOOTS = 8
MARKS = 3
_MOST_MONOTONIC = 1e15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CENTURY = timedelta(days=36_525)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call: the device's clocks as it began, and the last number it had then, if it said so.

    ``echo`` is what it had last heard of our time, in the boot it speaks in. ``zeros`` are wall
    times at the monotonic zero of the boots it tells of, as its clock is set now (``unset.zeros``).
    """

    received: datetime
    sent: DeviceTime
    last_n: int | None = None
    echo: Echo | None = None
    zeros: Mapping[str, datetime] = field(default_factory=dict)
    anchor: Anchor | None = field(init=False, default=None)
    offset: Offset | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Reckon what the call is worth: an anchor of its boot, an offset of the wall clock."""
        shown, wall = self.sent.monotonic_ms, self.sent.wall
        if self.sent.boot is not None and shown is not None and abs(shown) <= _MOST_MONOTONIC:
            road = on_the_road(self.received, shown, self.echo)
            object.__setattr__(self, "anchor", Anchor(self.received, shown, road))
        if wall is not None:
            object.__setattr__(self, "offset", Offset(self.received, wall - self.received))

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
    """A call, sent no earlier than then, at which the device had nothing to tell beyond ``n``."""

    n: int
    sent_after: datetime


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
        return made, self._with(Boot(boot.id, boot.anchor, n, made.happened))

    def after(self, exchange: Exchange) -> "Clocks":
        """Return what is known once a call was heard."""
        known, anchor = self, exchange.anchor
        boot = self._boot(exchange.sent.boot)
        if boot is not None and anchor is not None:
            known = known._with(replace(boot, anchor=tighter(boot.anchor, anchor)))
        late = boot is not None and may_be_late(boot.anchor, anchor)
        if late:
            return replace(known, offset=self.offset or exchange.offset)
        marks = self._marks_after(exchange)
        return replace(known, offset=exchange.offset or self.offset, marks=marks)

    def _bounds(self, event: DeviceTime, n: int | None, during: Exchange) -> Bounds:
        boot = self._boot(event.boot)
        now = during.anchor if event.boot == during.sent.boot else None
        before = boot.anchor if boot else None
        if before and now and began_anew(before, now):
            before = None  # another boot under the same name
        told = [mark.sent_after for mark in self.marks if n is not None and mark.n < n]
        newer = boot is not None and n is not None and boot.last_n is not None and n > boot.last_n
        return Bounds(
            received=during.received,
            anchors=tuple(anchor for anchor in (now, before) if anchor),
            offsets=tuple(offset for offset in (during.offset, self.offset) if offset),
            not_before=max(told, default=None),
            floor=boot.last if boot and newer else None,
            unset=_unset(event, during.zeros),
        )

    def _boot(self, id_: str | None) -> Boot | None:
        if id_ is None or "\0" in id_:
            return None
        return next((boot for boot in self.boots if boot.id == id_), Boot(id_))

    def _with(self, boot: Boot) -> "Clocks":
        others = tuple(other for other in self.boots if other.id != boot.id)
        return Clocks((boot, *others)[:BOOTS], self.offset, self.marks)

    def _marks_after(self, exchange: Exchange) -> tuple[Mark, ...]:
        """Keep, for the newest numbers, the last call at which they were the newest."""
        n = exchange.last_n
        if n is None:
            return self.marks
        others = tuple(mark for mark in self.marks if mark.n < n)
        return (Mark(n, exchange.sent_after), *others)[:MARKS]


def _unset(event: DeviceTime, zeros: Mapping[str, datetime]) -> datetime | None:
    zero = zeros.get(event.boot) if event.boot is not None else None
    if zero is None or event.monotonic_ms is None or event.wall is None:
        return None
    try:
        moment = zero + timedelta(milliseconds=event.monotonic_ms)
    except (OverflowError, ValueError):
        return None
    return moment if abs(moment - event.wall) <= _CENTURY else None


def write(clocks: Clocks) -> dict[str, Any]:
    """Write the clocks as JSON: moments as microseconds since 1970."""
    offset = clocks.offset
    return {
        "boots": [_boot_to_json(boot) for boot in clocks.boots],
        "roads": [_road_to_json(boot.anchor) for boot in clocks.boots],
        "wall": [_micros(offset.received), offset.ahead // _MICROSECOND] if offset else None,
        "told": [[mark.n, _micros(mark.sent_after)] for mark in clocks.marks],
    }


def read(kept: Mapping[str, Any] | None) -> Clocks:
    """Read what ``write`` wrote."""
    if not kept:
        return Clocks()
    wall, boots = kept.get("wall"), kept.get("boots", ())
    roads = kept.get("roads") or [None] * len(boots)  # the release before wrote none
    return Clocks(
        boots=tuple(_boot_from_json(road, *boot) for boot, road in zip(boots, roads, strict=True)),
        offset=Offset(_moment(wall[0]), wall[1] * _MICROSECOND) if wall else None,
        marks=tuple(Mark(n, _moment(at)) for n, at in kept.get("told", ())),
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
    road = None if under_way is None else under_way * _MICROSECOND
    anchor = None if at is None or shown is None else Anchor(_moment(at), shown, road)
    return Boot(id_, anchor, last_n, None if last is None else _moment(last))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND
