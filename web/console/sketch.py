"""A route as a sketch: stops by place, joined in their order. Plain geometry, no map."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

from backend.store.board import StopRow

SIDE = 320
_EDGE = 14


@dataclass(frozen=True, slots=True)
class Dot:
    """A stop on the sketch."""

    stop: StopRow
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the sketch."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Sketch:
    """Dots, and the line through them as SVG points."""

    width: int
    height: int
    dots: tuple[Dot, ...]
    van: Spot | None = None

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


def draw(stops: Sequence[StopRow], van: tuple[float, float] | None = None) -> Sketch:
    """Lay the located stops on a square, north up, both axes to one scale.

    A van that is elsewhere is drawn at the edge on its side.
    """
    placed = [(s, s.lat, s.lon) for s in stops if s.lat is not None and s.lon is not None]
    if not placed:
        return Sketch(SIDE, SIDE, ())
    south, north = min(p[1] for p in placed), max(p[1] for p in placed)
    west, east = min(p[2] for p in placed), max(p[2] for p in placed)
    narrow = cos(radians((south + north) / 2))
    span = max(north - south, (east - west) * narrow) or 1.0
    scale = (SIDE - 2 * _EDGE) / span

    def spot(lat: float, lon: float) -> Spot:
        x, y = _EDGE + (lon - west) * narrow * scale, _EDGE + (north - lat) * scale
        return Spot(round(x, 1), round(y, 1))

    height = max(round(2 * _EDGE + (north - south) * scale), 2 * _EDGE)
    width = max(round(2 * _EDGE + (east - west) * narrow * scale), 2 * _EDGE)
    places = [(stop, spot(lat, lon)) for stop, lat, lon in placed]
    seen = None if van is None else _within(spot(*van), width, height)
    return Sketch(width, height, tuple(Dot(stop, at.x, at.y) for stop, at in places), seen)


def _within(spot: Spot, width: int, height: int) -> Spot:
    near = _EDGE / 2
    return Spot(min(max(spot.x, near), width - near), min(max(spot.y, near), height - near))
