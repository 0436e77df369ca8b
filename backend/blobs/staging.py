"""Uploads under way: one file per device and address, on local disk, appended at its end.

The length of the file is the offset, so a server that is killed in the middle of a request leaves
a consistent one. Whoever begins to write takes over from an older writer (usually a dead radio
link): each begin writes its own token into the lock file, and every write checks it under the lock,
in any process of this machine.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import anyio
import anyio.to_thread

from backend.blobs.address import BlobsUnavailable, digest_of, key_of, storage_faults
from backend.blobs.folder import make_durably, sync_directory
from backend.errors import StateConflict

_TOKEN_BYTES = 16


class UploadTakenOver(StateConflict):
    """A newer request writes this upload now; this one must stop."""

    code = "upload_taken_over"
    title = "A newer request continues this upload"


@dataclass(frozen=True, slots=True)
class Part:
    """The right to append to one upload, until somebody newer begins."""

    path: Path
    start: int
    token: bytes
    threads: anyio.CapacityLimiter

    async def append(self, piece: bytes) -> int:
        """Write at the end; return the new length. It is durable after `sync`."""
        return await anyio.to_thread.run_sync(self._append, piece, limiter=self.threads)

    async def cut(self, length: int) -> None:
        """Throw away what lies beyond ``length``."""
        await anyio.to_thread.run_sync(self._cut, length, limiter=self.threads)

    async def sync(self) -> None:
        """Make what was appended durable."""
        with self.ours():
            await anyio.to_thread.run_sync(_fsync, self.path, limiter=self.threads)

    async def digest(self) -> str:
        """Hash the whole file as it lies on the disk."""
        with self.ours(), storage_faults():
            return await anyio.to_thread.run_sync(digest_of, self.path, limiter=self.threads)

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Do something with the file; if a copy of our request put it away, that one takes over."""
        try:
            yield
        except (BlobsUnavailable, FileNotFoundError) as error:
            if self.path.exists():
                raise
            raise UploadTakenOver from error

    def _append(self, piece: bytes) -> int:
        with self._mine() as fd:
            before = os.fstat(fd).st_size
            try:
                _write_all(fd, piece)
            except OSError:
                # A half-written piece would shift all that follows: it is taken back.
                os.ftruncate(fd, before)
                raise
            return before + len(piece)

    def _cut(self, length: int) -> None:
        with self._mine() as fd:
            os.ftruncate(fd, length)
            os.fsync(fd)

    @contextmanager
    def _mine(self) -> Iterator[int]:
        with storage_faults(), _locked(_lock_path(self.path)) as lock:
            if _token(lock) != self.token or not self.path.exists():
                raise UploadTakenOver
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                yield fd
            finally:
                os.close(fd)


class Staging:
    """The folder of unfinished uploads: ``<device>/<sha256>.part``."""

    def __init__(self, root: Path, threads: int = 8) -> None:
        self._root = root
        self._threads = anyio.CapacityLimiter(threads)

    async def begin(self, device: UUID, sha256: str) -> Part:
        """Take the upload over, making it if it is new; ``start`` is where it stands."""
        path = self._path(device, sha256)
        return await anyio.to_thread.run_sync(self._begin, path, limiter=self._threads)

    async def length(self, device: UUID, sha256: str) -> int:
        """Return the offset: how many bytes have arrived."""
        with suppress(FileNotFoundError):
            return self._path(device, sha256).stat().st_size
        return 0

    async def discard(self, device: UUID, sha256: str) -> None:
        """Forget an upload; a writer that is still at it stops."""
        path = self._path(device, sha256)
        await anyio.to_thread.run_sync(_discard, path, limiter=self._threads)

    async def sweep(self, before: datetime) -> int:
        """Drop uploads that nobody has continued since ``before``; return how many."""
        return await anyio.to_thread.run_sync(self._sweep, before, limiter=self._threads)

    def _path(self, device: UUID, sha256: str) -> Path:
        name = Path(key_of(sha256)).name
        return self._root / str(device) / f"{name}.part"

    def _begin(self, path: Path) -> Part:
        with storage_faults():
            make_durably(path.parent, self._root)
            with _locked(_lock_path(path)) as lock:
                token = os.urandom(_TOKEN_BYTES)
                if os.pwrite(lock, token, 0) != _TOKEN_BYTES:
                    raise OSError(errno.ENOSPC, "no room for a token")
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                start = os.fstat(fd).st_size
                os.close(fd)
            return Part(path, start, token, self._threads)

    def _sweep(self, before: datetime) -> int:
        old = [p for p in self._root.glob("*/*.part") if p.stat().st_mtime < before.timestamp()]
        for path in old:
            _discard(path)
        return len(old)


def _discard(path: Path) -> None:
    lock_path = _lock_path(path)
    with storage_faults():
        if not path.parent.exists():
            return
        with _locked(lock_path):
            path.unlink(missing_ok=True)
            lock_path.unlink(missing_ok=True)
        sync_directory(path.parent)


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold the lock file; it may be unlinked while we wait for it, then the new one counts."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if not _is_at(fd, path):
                continue
            yield fd
            return
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(fd), path.stat())
    return False


def _token(lock: int) -> bytes:
    return os.pread(lock, _TOKEN_BYTES, 0)


def _write_all(fd: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(fd, view) :]


def _fsync(path: Path) -> None:
    with storage_faults():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_directory(path.parent)
