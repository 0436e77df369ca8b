"""The door token: 128 bits in the customer's QR, of which the phone holds only a commitment.

The driver's phone can check a scanned QR with no network and cannot make one. The QR text is
``DS1:`` + base32 (no padding, upper case) of the stop's 16 bytes and the token's 16 bytes.
"""

import base64
import binascii
import hmac
import io
from hashlib import sha256
from uuid import UUID

import segno

TOKEN_BYTES = 16
PREFIX = "DS1:"
_DOMAIN = b"doorstep-door-v1"
_TEXT_LENGTH = 52  # 32 bytes in base32 without padding


def door_token(key: bytes) -> bytes:
    """Return an issue's token; ``key`` is ``code.door_key``."""
    return hmac.digest(key, b"qr", sha256)[:TOKEN_BYTES]


def commitment(stop_id: UUID, token: bytes) -> str:
    """Return what the manifest carries: hex SHA-256 of domain, stop and token."""
    return sha256(b"\x00".join((_DOMAIN, str(stop_id).encode(), token))).hexdigest()


def qr_text(stop_id: UUID, token: bytes) -> str:
    """Return the text the customer's QR holds."""
    return PREFIX + base64.b32encode(stop_id.bytes + token).decode().rstrip("=")


def parse_qr(text: str) -> tuple[UUID, bytes] | None:
    """Return (stop, token) of a QR text, or None unless it is exactly what ``qr_text`` writes."""
    if not text.startswith(PREFIX) or len(text) != len(PREFIX) + _TEXT_LENGTH:
        return None
    try:
        raw = base64.b32decode(text[len(PREFIX) :] + "====")
    except (binascii.Error, ValueError):
        return None
    stop_id, token = UUID(bytes=raw[:16]), raw[16:]
    # base32 leaves spare bits in the last letter; only one spelling is ours
    return (stop_id, token) if qr_text(stop_id, token) == text else None


def same_token(given: bytes, key: bytes) -> bool:
    """Compare a token with an issue's in constant time."""
    return hmac.compare_digest(given, door_token(key))


def qr_svg(text: str) -> str:
    """Return the QR as an SVG that scales with its box and needs no style of its own."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=4, light="#fff"
    )
    return out.getvalue().decode()
