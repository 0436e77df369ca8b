"""Device signatures: a mutation of a device with a key counts only with that key's signature."""

from base64 import urlsafe_b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync.mutations import Heard


def is_signed(public_key: bytes | None, heard: Heard) -> bool:
    """Check Ed25519 over the RFC 8785 bytes without ``sig``; without a key nothing is asked."""
    if public_key is None:
        return True
    if heard.signed is None or heard.sig is None:
        return False
    try:
        signature = urlsafe_b64decode(heard.sig.encode("ascii") + b"=" * (-len(heard.sig) % 4))
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, heard.signed)
    except (InvalidSignature, ValueError):
        return False
    return True
