"""Pictures and signatures that nobody took: small PNGs of a doorstep, each one different."""

import random
import struct
import zlib
from itertools import chain

from handset import Photo, Strokes

_WIDTH, _HEIGHT, _CELL = 640, 480, 8
_SKY, _WALL, _DOOR, _PARCEL = (150, 180, 205), (165, 140, 120), (85, 60, 50), (190, 150, 95)
_GRAIN = 28


def photo(seed: int) -> Photo:
    """A parcel before a door, in grain that no other seed has."""
    dice = random.Random(seed)  # noqa: S311 - a picture, not a secret
    left, top = dice.randrange(20, 40), dice.randrange(12, 22)
    rows = [_row(y, left, top, dice) for y in range(_HEIGHT // _CELL)]
    pixels = b"".join((b"\x00" + row) + (b"\x02" + bytes(len(row))) * (_CELL - 1) for row in rows)
    return Photo(_png(pixels), "image/png")


def _row(y: int, left: int, top: int, dice: random.Random) -> bytes:
    """One row of cells; the lines below it repeat it, which PNG's filter 2 says with zeros."""
    cells = (_colour(x, y, left, top) for x in range(_WIDTH // _CELL))
    grain = dice.randbytes(_WIDTH // _CELL)
    shades = zip(cells, grain, strict=True)
    return b"".join(bytes(_shade(part, g) for part in cell) * _CELL for cell, g in shades)


def _colour(x: int, y: int, left: int, top: int) -> tuple[int, int, int]:
    if left + 4 <= x < left + 12 and y >= 48:
        return _PARCEL
    if left <= x < left + 16 and y >= top:
        return _DOOR
    return _WALL if y >= 8 else _SKY


def _shade(part: int, grain: int) -> int:
    return part + grain * 2 * _GRAIN // 256 - _GRAIN


def _png(filtered: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chain.from_iterable(_chunk(*chunk) for chunk in chunks))


def _chunk(name: bytes, data: bytes) -> tuple[bytes, ...]:
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)), name, data, check


def signature(seed: int) -> Strokes:
    """A few loops of a pen, as a pad would record them."""
    dice = random.Random(seed)  # noqa: S311
    lines, t = [], 0.0
    for part in range(dice.randrange(2, 4)):
        x, y, line = 20.0 + 90 * part, 60.0, []
        for _ in range(dice.randrange(18, 30)):
            x, y, t = x + dice.uniform(-3, 9), y + dice.uniform(-14, 14), t + 12
            line.append((round(x, 1), round(y, 1), t))
        lines.append(line)
    return Strokes(lines)
