"""The installation's secrets, kept outside the database: one master key and the log's signing key.

Everything that could be guessed or forged from a copy of the database (door codes, tracking links,
tokens) is derived from the master key with HKDF-SHA256 (RFC 5869), so nothing of it is stored.
"""

import base64
import hmac
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Keys:
    """What an installation knows and its database does not."""

    master: bytes
    log_seed: bytes  # Ed25519 private seed, 32 bytes
    log_name: str  # origin of the log and name in its signature lines

    def __repr__(self) -> str:
        return f"Keys(log_name={self.log_name!r})"


def derive(master: bytes, *labels: str) -> bytes:
    """Derive 32 bytes bound to the labels (HKDF-SHA256, RFC 5869, empty salt, one block)."""
    info = b"\x00".join(label.encode() for label in ("doorstep", *labels))
    extracted = hmac.digest(b"\x00" * 32, master, sha256)
    return hmac.digest(extracted, info + b"\x01", sha256)


def tracking_token(master: bytes, consignment_id: UUID) -> str:
    """Return the 128-bit capability in a customer's link: base32, lower case, no padding."""
    raw = derive(master, "track", str(consignment_id))[:16]
    return base64.b32encode(raw).decode().rstrip("=").lower()


def tracking_hash(token: str) -> bytes:
    """Return what the database keeps of a link's token: enough to find it, not to make it."""
    return sha256(token.encode()).digest()


def load_keys(data: Path, *, log_name: str = "doorstep/log") -> Keys:
    """Read the keys under ``data/keys``, making them on first use (files 0600).

    Raises:
        OSError: the folder cannot be read or written.
    """
    folder = data / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return Keys(
        master=_read_or_make(folder / "master.key"),
        log_seed=_read_or_make(folder / "log.key"),
        log_name=log_name,
    )


def _read_or_make(path: Path) -> bytes:
    """Return the 32 bytes in ``path``; two first starts at once agree on one file."""
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = base64.b64decode(path.read_bytes().strip(), validate=True)
    if len(key) != 32:
        raise ValueError(f"{path} does not hold a 32-byte key in base64")
    return key
