"""The device's own Ed25519 key, so that nobody inside the database can invent a driver's act."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from handset.disk import write_durably
from handset.wire import Body


class DeviceKey:
    """Signs mutations; the private half never leaves the phone."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def kept_in(cls, path: Path) -> DeviceKey:
        """The key of this phone, made at first use and readable by its owner alone."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, os.urandom(32))
        return cls(path.read_bytes())

    @property
    def public_key(self) -> str:
        return _b64url(self._key.public_key().public_bytes_raw())

    def sign(self, mutation: Body) -> str:
        """Ed25519 over the RFC 8785 bytes of the mutation, which must not hold `sig` yet."""
        return _b64url(self._key.sign(canonical(mutation)))


def canonical(value: Body) -> bytes:
    """RFC 8785 bytes: the same content always has the same bytes."""
    return rfc8785.dumps(value)


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
