"""A signature's bytes to facts: strokes as the phone drew them, or a PNG. Is anything there?

Whether it is whose signature it claims is nobody's to say from here. ``blank`` means a tap, a dot
or an empty canvas: too little ink, or ink without extent.
"""

import json

from pod.evidence import SignatureFacts
from pod.photo import flattened, open_picture
from pod.refusals import (
    PhotoTooLarge,
    PhotoUnreadable,
    SignatureTooLarge,
    SignatureUnreadable,
)
from pod.strokes import LEAST_EXTENT, inspect_strokes

MAX_BYTES = 512 * 1024
LEAST_INK_PIXELS = 30
_CONTRAST = 64


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
