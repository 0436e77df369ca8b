"""Small true pictures, each different."""

import random
import struct
import zlib


def png(seed: int, side: int = 128) -> bytes:
    """A PNG of coloured noise, about 50 kB."""
    dice = random.Random(seed)
    lines = b"".join(b"\x00" + dice.randbytes(side * 3) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
