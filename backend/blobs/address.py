"""Content addresses, and the few ways in which keeping bytes can fail."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.errors import NotFound, Unavailable

CHUNK = 256 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class BlobMissing(NotFound):
    """The store has no object of that address."""

    code = "blob_missing"
    title = "The bytes are not in the store"


class BlobsUnavailable(Unavailable):
    """Disk full, disk broken, or the object store does not answer."""

    code = "storage_unavailable"
    title = "The evidence store is not available right now"


class WrongBytesError(ValueError):
    """The bytes offered are not those of the address."""


def is_sha256(text: str) -> bool:
    """Tell whether this is a lower-case hex SHA-256, and hence safe as a file name."""
    return _SHA256.fullmatch(text) is not None


def key_of(sha256: str) -> str:
    """Return the object key of an address.

    Raises:
        ValueError: it is no address; no path is ever made from anything else.
    """
    if not is_sha256(sha256):
        raise ValueError(f"{sha256[:80]!r} is not a SHA-256 in lower-case hex")
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def digest_of(path: Path) -> str:
    """Hash a file in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def storage_faults() -> Iterator[None]:
    """Turn the machine's faults (ENOSPC, EIO, …) into an answer that says: come again."""
    try:
        yield
    except OSError as error:
        raise BlobsUnavailable(f"the evidence store failed: {error.strerror}") from error
