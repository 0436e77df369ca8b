"""A signature's bytes to facts: strokes as the phone drew them, or a PNG. Is anything there?

Whether it is whose signature it claims is nobody's to say from here. ``blank`` means a tap, a dot
or an empty canvas: too little ink, or ink without extent.
"""

import json
import math
from collections.abc import Sequence
from itertools import pairwise

from pod.evidence import SignatureFacts
from pod.photo import flattened, open_picture
from pod.refusals import (
    PhotoTooLarge,
    PhotoUnreadable,
    SignatureTooLarge,
    SignatureUnreadable,
)

MAX_BYTES = 512 * 1024
MOST_POINTS = 20_000
LEAST_POINTS = 3
LEAST_EXTENT = 8.0  # pixels of the usual canvas, some 300 wide
LEAST_INK = 12.0  # of path
LEAST_INK_PIXELS = 30
_CANVAS = 300.0  # what coordinates from 0 to 1 are taken to span
_CONTRAST = 64
_FARTHEST = 1e6
Point = tuple[float, float]


def inspect_signature(media_type: str, data: bytes) -> SignatureFacts:
    """Return a signature's facts, from strokes JSON or a PNG by its declared type.

    Raises:
        SignatureTooLarge: over 512 KiB, 20,000 points or 24 megapixels.
        SignatureUnreadable: not what its type says.
    """
    if len(data) > MAX_BYTES:
        raise SignatureTooLarge(f"{len(data)} bytes; at most {MAX_BYTES}")
    if media_type == "image/png":
        return _inspect_image(data)
    return inspect_strokes(_strokes_of(data))


def _strokes_of(data: bytes) -> object:
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SignatureUnreadable("not JSON") from error
    if not isinstance(document, dict) or "strokes" not in document:
        raise SignatureUnreadable('expected {"strokes": [[[x, y, t_ms], …], …]}')
    return document["strokes"]


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


def _inspect_image(data: bytes) -> SignatureFacts:
    """Ink is whatever differs from the paper, and paper is the commonest shade."""
    try:
        picture = open_picture(data, ("PNG",))
        picture.load()
        grey = flattened(picture)
    except PhotoTooLarge as error:
        raise SignatureTooLarge(error.detail) from error
    except PhotoUnreadable as error:
        raise SignatureUnreadable(error.detail) from error
    except Exception as error:  # the decoders raise whatever they like
        raise SignatureUnreadable(f"the picture is broken: {error}") from error
    histogram = grey.histogram()
    paper = max(range(256), key=histogram.__getitem__)
    mask = grey.point([255 if abs(shade - paper) > _CONTRAST else 0 for shade in range(256)])
    box = mask.getbbox() or (0, 0, 0, 0)
    width, height = float(box[2] - box[0]), float(box[3] - box[1])
    ink = mask.histogram()[255]
    blank = ink < LEAST_INK_PIXELS or max(width, height) < LEAST_EXTENT
    return SignatureFacts("PNG", width, height, ink, float(ink), blank=blank)
