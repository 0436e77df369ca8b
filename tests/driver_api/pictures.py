"""Small files that are evidence."""

import io
import json
import os

from PIL import Image

STROKES = json.dumps({"strokes": [[[i * 9, i * 7 % 50, i * 20] for i in range(30)]]}).encode()


def a_picture(kind: str = "JPEG", size: tuple[int, int] = (320, 240)) -> bytes:
    """Draw a picture that no test drew before."""
    image = Image.frombytes("RGB", (32, 24), os.urandom(32 * 24 * 3)).resize(size)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
