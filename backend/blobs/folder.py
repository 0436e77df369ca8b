"""Evidence in a folder: temporary file, fsync, link into place, fsync of the directory."""

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread

from backend.blobs.address import (
    CHUNK,
    BlobMissing,
    WrongBytesError,
    is_sha256,
    key_of,
    storage_faults,
)


class FolderBlobs:
    """Objects as plain read-only files, ``sha256/ab/cd/<address>`` under one root."""

    def __init__(self, root: Path, threads: int = 8) -> None:
        self._root = root
        self._threads = anyio.CapacityLimiter(threads)

    async def prepare(self) -> None:
        """Make the folder; only its owner may look inside."""
        with storage_faults():
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def put_file(self, sha256: str, path: Path, _media_type: str, /) -> None:
        """Copy a file in (the type is the row's business, a folder does not keep it)."""
        await anyio.to_thread.run_sync(self._put, sha256, path, limiter=self._threads)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """Stream the bytes; memory holds one piece."""
        path = self._root / key_of(sha256)
        file = await anyio.to_thread.run_sync(_open, path, limiter=self._threads)
        with file:
            while piece := await anyio.to_thread.run_sync(_piece, file, limiter=self._threads):
                yield piece

    async def size(self, sha256: str) -> int | None:
        """Return the length, or None."""
        return _size(self._root / key_of(sha256))

    async def older(self, than: datetime) -> AsyncIterator[str]:
        """Walk through the files, a folder at a time."""
        for folder in await anyio.to_thread.run_sync(_folders, self._root, limiter=self._threads):
            for sha256 in await anyio.to_thread.run_sync(
                _older, folder, than.timestamp(), limiter=self._threads
            ):
                yield sha256

    async def delete(self, sha256: str) -> None:
        """Unlink the file."""
        with storage_faults():
            (self._root / key_of(sha256)).unlink(missing_ok=True)

    def _put(self, sha256: str, source: Path) -> None:
        target = self._root / key_of(sha256)
        with storage_faults():
            if _size(target) == source.stat().st_size:
                return
            make_durably(target.parent, self._root)
            fd, name = tempfile.mkstemp(dir=target.parent, prefix=".incoming-")
            try:
                with os.fdopen(fd, "wb") as file:
                    _copy(source, file, sha256)
                _place(Path(name), target)
            finally:
                Path(name).unlink(missing_ok=True)
            sync_directory(target.parent)


def _copy(source: Path, target: BinaryIO, sha256: str) -> None:
    running = hashlib.sha256()
    with source.open("rb") as file:
        while piece := file.read(CHUNK):
            running.update(piece)
            target.write(piece)
    if running.hexdigest() != sha256:
        raise WrongBytesError(sha256)
    target.flush()
    os.fchmod(target.fileno(), 0o400)
    os.fsync(target.fileno())


def _place(incoming: Path, target: Path) -> None:
    """Link without clobbering; a file of the wrong length is a wreck and gives way."""
    try:
        os.link(incoming, target)
    except FileExistsError:
        if _size(target) != incoming.stat().st_size:
            incoming.replace(target)


def _folders(root: Path) -> list[Path]:
    with storage_faults():
        return sorted((root / "sha256").glob("[0-9a-f][0-9a-f]"))


def _older(folder: Path, than: float) -> list[str]:
    with storage_faults():
        files = [path for path in folder.glob("*/*") if is_sha256(path.name)]
        return sorted(path.name for path in files if path.stat().st_mtime < than)


def _open(path: Path) -> BinaryIO:
    with storage_faults():
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise BlobMissing from None


def _piece(file: BinaryIO) -> bytes:
    with storage_faults():
        return file.read(CHUNK)


def _size(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def make_durably(folder: Path, root: Path) -> None:
    """Make a folder below ``root`` so that it survives a power cut: each parent is synced."""
    missing = [folder]
    while missing[-1] != root and not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    if folder.exists():
        return
    for path in reversed(missing):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Make names in a directory durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
