"""A signature as the phone drew it: strokes of points. No picture, so no decoder and no process."""

import math
from collections.abc import Sequence
from itertools import pairwise

from pod.evidence import SignatureFacts
from pod.refusals import SignatureTooLarge, SignatureUnreadable

MOST_POINTS = 20_000
LEAST_POINTS = 3
LEAST_EXTENT = 8.0  # pixels of the usual canvas, some 300 wide
LEAST_INK = 12.0  # of path
_CANVAS = 300.0  # what coordinates from 0 to 1 are taken to span
_FARTHEST = 1e6
Point = tuple[float, float]


def inspect_strokes(strokes: object) -> SignatureFacts:
    """Return the facts of ``[[[x, y, t_ms], …], …]``.

    Raises:
        SignatureTooLarge: over 20,000 points.
        SignatureUnreadable: not strokes.
    """
    drawn = _read_strokes(strokes)
    points = [point for stroke in drawn for point in stroke]
    if not points:
        return SignatureFacts("strokes", 0.0, 0.0, 0, 0.0, blank=True)
    scale = _CANVAS if max(max(point) for point in points) <= 1.0 else 1.0
    width = scale * (max(x for x, _ in points) - min(x for x, _ in points))
    height = scale * (max(y for _, y in points) - min(y for _, y in points))
    ink = scale * sum(math.dist(a, b) for stroke in drawn for a, b in pairwise(stroke))
    distinct = len(set(points))
    blank = distinct < LEAST_POINTS or max(width, height) < LEAST_EXTENT or ink < LEAST_INK
    measures = (round(width, 1), round(height, 1), distinct, round(ink, 1))
    return SignatureFacts("strokes", *measures, blank=blank)


def _read_strokes(strokes: object) -> list[list[Point]]:
    if not isinstance(strokes, list | tuple):
        raise SignatureUnreadable("strokes must be a list")
    drawn: list[list[Point]] = []
    total = 0
    for stroke in strokes:
        if not isinstance(stroke, list | tuple):
            raise SignatureUnreadable("a stroke must be a list of points")
        total += len(stroke)
        if total > MOST_POINTS or len(drawn) > MOST_POINTS:
            raise SignatureTooLarge(f"more than {MOST_POINTS} points")
        drawn.append([_read_point(point) for point in stroke])
    return drawn


def _read_point(point: object) -> Point:
    if not isinstance(point, Sequence) or isinstance(point, str) or len(point) not in (2, 3):
        raise SignatureUnreadable("a point must be [x, y, t_ms]")
    for value in point:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SignatureUnreadable("a point must hold numbers")
    x, y = point[0], point[1]
    if not (-_FARTHEST <= x <= _FARTHEST and -_FARTHEST <= y <= _FARTHEST):
        raise SignatureUnreadable("a point lies off every canvas")
    return float(x), float(y)
