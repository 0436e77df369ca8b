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
class Sketch:
    """Dots, and the line through them as SVG points."""

    width: int
    height: int
    dots: tuple[Dot, ...]

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


def draw(stops: Sequence[StopRow]) -> Sketch:
    """Lay the located stops on a square, north up, both axes to one scale."""
    placed = [(s, s.lat, s.lon) for s in stops if s.lat is not None and s.lon is not None]
    if not placed:
        return Sketch(SIDE, SIDE, ())
    south, north = min(p[1] for p in placed), max(p[1] for p in placed)
    west, east = min(p[2] for p in placed), max(p[2] for p in placed)
    narrow = cos(radians((south + north) / 2))
    span = max(north - south, (east - west) * narrow) or 1.0
    scale = (SIDE - 2 * _EDGE) / span
    dots = tuple(
        Dot(
            stop,
            round(_EDGE + (lon - west) * narrow * scale, 1),
            round(_EDGE + (north - lat) * scale, 1),
        )
        for stop, lat, lon in placed
    )
    height = round(2 * _EDGE + (north - south) * scale)
    width = round(2 * _EDGE + (east - west) * narrow * scale)
    return Sketch(max(width, 2 * _EDGE), max(height, 2 * _EDGE), dots)
