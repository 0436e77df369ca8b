"""Pictures and signatures that nobody took: small PNGs of a doorstep, each one different."""

import random
import struct
import zlib
from itertools import chain

from handset import Photo, Strokes

_WIDTH, _HEIGHT, _CELL = 480, 360, 8
_COLUMNS, _ROWS = _WIDTH // _CELL, _HEIGHT // _CELL
_SKY, _WALL, _DOOR, _PARCEL = (150, 180, 205), (165, 140, 120), (85, 60, 50), (190, 150, 95)
_GRAIN = 32
Shades = list[bytes]


def _shades(colour: tuple[int, int, int]) -> Shades:
    """One cell's line of pixels for each value of a random byte."""
    return [
        bytes(part + value * 2 * _GRAIN // 256 - _GRAIN for part in colour) * _CELL
        for value in range(256)
    ]


_SHADES = {colour: _shades(colour) for colour in (_SKY, _WALL, _DOOR, _PARCEL)}


def photo(seed: int) -> Photo:
    """A parcel before a door, in grain that no other seed has."""
    dice = random.Random(seed)  # noqa: S311 - a picture, not a secret
    left, top = dice.randrange(14, 30), dice.randrange(9, 16)
    same = (b"\x02" + bytes(3 * _WIDTH)) * (_CELL - 1)  # PNG's filter 2: as the line above
    scene = (_row(y, left, top) for y in range(_ROWS))
    pixels = b"".join(b"\x00" + _grained(row, dice) + same for row in scene)
    return Photo(_png(pixels), "image/png")


def _row(y: int, left: int, top: int) -> list[Shades]:
    """What one row of cells shows."""
    row = [_SHADES[_WALL if y >= 6 else _SKY]] * _COLUMNS
    if y >= top:
        row[left : left + 12] = [_SHADES[_DOOR]] * 12
    if y >= 36:
        row[left + 3 : left + 9] = [_SHADES[_PARCEL]] * 6
    return row


def _grained(row: list[Shades], dice: random.Random) -> bytes:
    grain = dice.randbytes(_COLUMNS)
    return b"".join(shades[value] for shades, value in zip(row, grain, strict=True))


def _png(filtered: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 1)), (b"IEND", b""))
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
