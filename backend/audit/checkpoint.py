"""Signing the log: C2SP checkpoints as Ed25519-signed notes; reading them is in ``verify``."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.audit.verify import Checkpoint, Key, encode64, is_name
from backend.keys import Keys


@dataclass(frozen=True, slots=True)
class Signer:
    """The log's name and private key. The log never signs two histories: only ``seal`` signs."""

    key: Key
    private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Signer({self.key.name!r})"

    def sign(self, size: int, root: bytes) -> str:
        """Return the signed note over a tree's size and root."""
        text = Checkpoint(self.key.name, size, root).text
        signature = encode64(self.key.id + self.private.sign(text.encode()))
        return f"{text}\n\N{EM DASH} {self.key.name} {signature}\n"


def signer(name: str, seed: bytes) -> Signer:
    """Make the log's signer from its name and its 32-byte Ed25519 seed.

    Raises:
        ValueError: the name cannot name a key, or the seed is not 32 bytes.
    """
    if not is_name(name):
        raise ValueError(f"{name!r} cannot name a log: no spaces, no plus, nothing invisible")
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return Signer(Key(name, private.public_key().public_bytes_raw()), private)


def signer_of(keys: Keys) -> Signer:
    """Make the signer of an installation."""
    return signer(keys.log_name, keys.log_seed)
