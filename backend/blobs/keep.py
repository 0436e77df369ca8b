"""What a store of evidence can do, whichever it is."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Blobs(Protocol):
    """Immutable objects under the SHA-256 of their bytes. Putting one twice is harmless."""

    async def prepare(self) -> None:
        """Make the folder or bucket if it is missing."""
        ...

    async def put_file(self, sha256: str, path: Path, media_type: str, /) -> None:
        """Keep a file's bytes durably; they are hashed again on the way.

        Raises:
            WrongBytesError: the bytes are not those of the address.
            BlobsUnavailable: nothing was kept, try again later.
        """
        ...

    def read(self, sha256: str) -> AsyncIterator[bytes]:
        """Stream the bytes in pieces.

        Raises:
            BlobMissing: there are none.
        """
        ...

    async def size(self, sha256: str) -> int | None:
        """Return how many bytes there are; None if the object is not there."""
        ...

    def older(self, than: datetime, /) -> AsyncIterator[str]:
        """Give the addresses of objects that came before a moment."""
        ...

    async def delete(self, sha256: str) -> None:
        """Forget the bytes (retention, erasure); no complaint if they are gone."""
        ...


async def read_bytes(blobs: Blobs, sha256: str) -> bytes:
    """Read a whole object; for those whose size was capped when they came in."""
    return b"".join([piece async for piece in blobs.read(sha256)])
