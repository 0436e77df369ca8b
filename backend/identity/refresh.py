"""Refresh tokens: what they say, how the next follows from one, and who made it.

A token names its device, its family and its generation, and carries our seal. The next one is
derived from it and the phone's nonce, so a repeated call gets the same answer without any token
being stored. The seal lets a database that was restored from its backup believe a token that it
has never seen, instead of sending a whole fleet back to enrol.
"""

import hmac
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from backend.keys import Keys, derive

_FORM = struct.Struct(">B16s16sIQ16s")
_VERSION = 1
_SEAL = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What a token of ours says."""

    device_id: UUID
    family: UUID
    generation: int
    issued_at: datetime


def first(keys: Keys, device_id: UUID, family: UUID, now: datetime) -> str:
    """Make the first token of a family."""
    return _write(keys, Told(device_id, family, 1, now), secrets.token_bytes(16))


def successor(keys: Keys, token: str, nonce: str, says: Told) -> str:
    """Make the token that follows; the same call makes the same token."""
    key = derive(keys.master, "refresh")
    return _write(keys, says, hmac.digest(key, f"{token}\0{nonce}".encode(), sha256)[:16])


def read(keys: Keys, token: str) -> Told | None:
    """Read a token; None if it is not ours, or of a form that says nothing."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    said, seal = raw[:-_SEAL], raw[-_SEAL:]
    if len(said) != _FORM.size or not hmac.compare_digest(seal, _sealed(keys, said)):
        return None
    version, device, family, generation, issued, _ = _FORM.unpack(said)
    if version != _VERSION:
        return None
    issued_at = _EPOCH + issued * _MILLISECOND
    return Told(UUID(bytes=device), UUID(bytes=family), generation, issued_at)


def hashed(token: str) -> bytes:
    """Return what the database keeps of a token."""
    return sha256(token.encode()).digest()


def _write(keys: Keys, says: Told, seed: bytes) -> str:
    issued = (says.issued_at - _EPOCH) // _MILLISECOND
    said = _FORM.pack(
        _VERSION, says.device_id.bytes, says.family.bytes, says.generation, issued, seed
    )
    return urlsafe_b64encode(said + _sealed(keys, said)).decode().rstrip("=")


def _sealed(keys: Keys, said: bytes) -> bytes:
    return hmac.digest(derive(keys.master, "refresh-seal"), said, sha256)[:_SEAL]
