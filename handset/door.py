"""The customer's QR at the door, checked with no network against the commitment in the manifest.

The phone holds only the hash, so it can tell a true token from a false one and cannot make one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass

_PREFIX = "DS1:"
_LABEL = b"doorstep-door-v1"


@dataclass(frozen=True, slots=True)
class DoorToken:
    """What a QR text holds."""

    stop_id: uuid.UUID
    token: bytes

    @property
    def commitment(self) -> str:
        parts = (_LABEL, str(self.stop_id).encode("ascii"), self.token)
        return hashlib.sha256(b"\x00".join(parts)).hexdigest()


def read_qr(text: str) -> DoorToken | None:
    """The token in a scanned text, or None where the text is no door token."""
    if not text.startswith(_PREFIX):
        return None
    coded = text.removeprefix(_PREFIX)
    try:
        raw = base64.b32decode(coded + "=" * (-len(coded) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 32:
        return None
    return DoorToken(uuid.UUID(bytes=raw[:16]), raw[16:])


def opens(text: str, stop_id: str, commitment: str) -> bool:
    """Whether the scanned text is this stop's token."""
    token = read_qr(text)
    if token is None or str(token.stop_id) != stop_id:
        return False
    return hmac.compare_digest(token.commitment, commitment)
