"""Where a JPEG really ends. Decoders accept a file whose tail is gone; evidence must not.

Walks the markers of ISO/IEC 10918-1 annex B without decoding: segments by their length, entropy
coded data up to the next true marker.
"""

import re

_MARKER_IN_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_BARE = {0x01, _SOI, *range(0xD0, 0xD8)}  # markers without a length


def end_of_jpeg(data: bytes) -> int | None:
    """Return the offset just after the end-of-image marker, or None where the file is cut off."""
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:  # a segment longer than it says; decoders look for the next marker
            at = data.find(b"\xff", at)
            if at < 0:
                return None
            continue
        marker = data[at + 1]
        if marker == _EOI:
            return at + 2
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
            if marker == _SOS:
                found = _MARKER_IN_SCAN.search(data, at)
                if found is None:
                    return None
                at = found.end() - 2
    return None
