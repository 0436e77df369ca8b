"""Uploads under way: one file per device and address, on local disk, appended at its end.

The length of the file is the offset, so a server that is killed in the middle of a request leaves
a consistent one. Whoever begins to write takes over from an older writer (usually a dead radio
link): each begin lays its own mark beside the file, and every write looks under the lock whether
the mark is still its own. A mark is locked as long as its writer lives, so that anybody can tell,
in any process of this machine, whether an upload is in somebody's hands or was left.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import anyio
import anyio.to_thread

from backend.blobs.address import BlobsUnavailable, digest_of, key_of, storage_faults
from backend.blobs.folder import make_durably, sync_directory
from backend.errors import StateConflict


class UploadTakenOver(StateConflict):
    """A newer request writes this upload now; this one must stop."""

    code = "upload_taken_over"
    title = "A newer request continues this upload"


class StandsElsewhereError(ValueError):
    """The upload does not stand where its writer meant to go on; nobody was disturbed."""


@dataclass(frozen=True, slots=True)
class Part:
    """The right to append to one upload, until somebody newer begins.

    ``start`` is the offset at which it stood, in bytes; ``mark`` is held for as long as we live.
    """

    path: Path
    start: int
    mark: BinaryIO
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

    def is_newest(self) -> bool:
        """Tell whether nobody newer began; for as long as the lock is held."""
        return _is_at(self.mark.fileno(), _mark_path(self.path))

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
        with storage_faults(), _locked(self.path):
            if not self.is_newest():
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

    @asynccontextmanager
    async def begin(self, device: UUID, sha256: str, at: int | None = None) -> AsyncIterator[Part]:
        """Take the upload over, making it if it is new; ``at`` is where it must stand, in bytes.

        Raises:
            StandsElsewhereError: it stands at another offset; an older writer goes on.
        """
        path = self._path(device, sha256)
        part = await anyio.to_thread.run_sync(self._begin, path, at, limiter=self._threads)
        with _released(part.mark):
            yield part

    @asynccontextmanager
    async def begin_if_left(self, device: UUID, sha256: str, at: int) -> AsyncIterator[Part | None]:
        """Take over what stands at ``at`` and is in nobody's hands; else None, nobody disturbed."""
        path = self._path(device, sha256)
        part = await anyio.to_thread.run_sync(self._begin_if_left, path, at, limiter=self._threads)
        if part is None:
            yield None
            return
        with _released(part.mark):
            yield part

    async def length(self, device: UUID, sha256: str) -> int:
        """Return the offset: how many bytes have arrived."""
        return _length(self._path(device, sha256))

    async def discard(self, device: UUID, sha256: str, of: Part | None = None) -> None:
        """Forget an upload; a writer that is still at it stops. With ``of``, only if it is his."""
        path = self._path(device, sha256)
        await anyio.to_thread.run_sync(_discard, path, of, limiter=self._threads)

    async def sweep(self, before: datetime) -> int:
        """Drop uploads that nobody has continued since ``before``; return how many."""
        return await anyio.to_thread.run_sync(self._sweep, before, limiter=self._threads)

    def _path(self, device: UUID, sha256: str) -> Path:
        name = Path(key_of(sha256)).name
        return self._root / str(device) / f"{name}.part"

    def _begin(self, path: Path, at: int | None) -> Part:
        with storage_faults():
            make_durably(path.parent, self._root)
            with _locked(path):
                return self._take(path, at)

    def _begin_if_left(self, path: Path, at: int) -> Part | None:
        with storage_faults():
            make_durably(path.parent, self._root)
            with _locked(path), suppress(StandsElsewhereError):
                return None if _is_held(_mark_path(path)) else self._take(path, at)
        return None

    def _take(self, path: Path, at: int | None) -> Part:
        """Lay a new mark, under the lock; the mark of an older writer counts no more."""
        start = _length(path)
        if at not in {None, start}:
            raise StandsElsewhereError(start)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return Part(path, start, _new_mark(_mark_path(path)), self._threads)

    def _sweep(self, before: datetime) -> int:
        old = [p for p in self._root.glob("*/*.part") if p.stat().st_mtime < before.timestamp()]
        for path in old:
            _discard(path)
        return len(old)


def _discard(path: Path, of: Part | None = None) -> None:
    with storage_faults():
        if not path.parent.exists():
            return
        with _locked(path):
            if of is not None and not of.is_newest():
                return
            for each in (_mark_path(path), path):
                each.unlink(missing_ok=True)
        sync_directory(path.parent)


def _mark_path(path: Path) -> Path:
    return path.with_suffix(".mark")


def _length(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _new_mark(path: Path) -> BinaryIO:
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    mark = os.fdopen(fd, "rb")
    fcntl.flock(mark, fcntl.LOCK_EX)
    return mark


@contextmanager
def _released(mark: BinaryIO) -> Iterator[None]:
    """Give a mark up in the end, even if a process that is just being started inherited it."""
    with mark:
        try:
            yield
        finally:
            fcntl.flock(mark, fcntl.LOCK_UN)


def _is_held(path: Path) -> bool:
    """Tell whether the writer that laid this mark lives."""
    with suppress(FileNotFoundError), path.open("rb") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of an upload; it may be unlinked while we wait, then the new one counts."""
    lock_path = path.with_suffix(".lock")
    while True:
        fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if not _is_at(fd, lock_path):
                continue
            try:
                yield
            finally:
                # The sweep finds locks by the files they belong to: none stays without its own.
                if not path.exists():
                    lock_path.unlink(missing_ok=True)
            return
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(fd), path.stat())
    return False


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
