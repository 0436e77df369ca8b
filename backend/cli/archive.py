"""A backup's file: a tar of the database's copy, the keys and the evidence, sealed by a list.

The list comes last and names the SHA-256 of every member, so a file cut short or changed is found
out before anything is restored from it.
"""

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

LIST = "doorstep-backup.json"
FORMAT = 1


class ArchiveBroken(ValueError):
    """This file is not a whole backup; the message says what is wrong with it."""


class Contents(msgspec.Struct, forbid_unknown_fields=True):
    """The list: what is in the file and where it came from."""

    format: int
    made_at: str
    revision: str
    members: dict[str, str]


class Writer:
    """Puts members into a new archive and remembers their hashes."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, str] = {}

    def add(self, path: Path, name: str) -> int:
        """Add one file and return its length."""
        with path.open("rb") as file:
            info = self._tar.gettarinfo(arcname=name, fileobj=file)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            reader = _Hashing(file)
            self._tar.addfile(info, reader)
        self._members[name] = reader.hash.hexdigest()
        return info.size

    def seal(self, made_at: str, revision: str) -> None:
        """Close the archive with its list."""
        text = msgspec.json.encode(Contents(FORMAT, made_at, revision, self._members))
        info = tarfile.TarInfo(LIST)
        info.size = len(text)
        self._tar.addfile(info, io.BytesIO(text))


def verify(source: Path) -> Contents:
    """Read the whole archive and hold every member against the list.

    Raises:
        ArchiveBroken: something is missing, added, changed or cut off.
    """
    try:
        found, listed = _read_through(source)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveBroken(f"{source} is no whole backup: {error}") from error
    if listed is None:
        raise ArchiveBroken(f"{source} has no list at its end: it is cut short")
    wrong = sorted(name for name, _ in found.items() ^ listed.members.items())
    if wrong:
        raise ArchiveBroken(f"{source} is damaged at {', '.join(wrong[:3])}")
    return listed


def _read_through(source: Path) -> tuple[dict[str, str], Contents | None]:
    found: dict[str, str] = {}
    listed: Contents | None = None
    for member, file in _members(source):
        if listed is not None:
            raise ArchiveBroken(f"{source} goes on after its list")
        if member.name == LIST:
            listed = _contents(file.read())
        elif member.name in found:
            raise ArchiveBroken(f"{source} holds {member.name} twice")
        else:
            found[member.name] = _digest(file)
    return found, listed


def unpack(source: Path, into: Path) -> Iterator[str]:
    """Write the members below a folder, readable by their owner alone, and yield their names."""
    for member, file in _members(source):
        if member.name == LIST:
            continue
        target = into / member.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as copy:
            target.chmod(0o600)
            shutil.copyfileobj(file, copy)
            os.fsync(copy.fileno())
        yield member.name


def _members(source: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    with tarfile.open(source, "r:") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            path = PurePosixPath(member.name)
            if file is None or path.is_absolute() or ".." in path.parts:
                raise ArchiveBroken(f"{source} holds {member.name}, which no backup does")
            yield member, file


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _contents(text: bytes) -> Contents:
    try:
        contents = msgspec.json.decode(text, type=Contents)
    except msgspec.DecodeError as error:
        raise ArchiveBroken(f"the list cannot be read: {error}") from error
    if contents.format != FORMAT:
        raise ArchiveBroken(f"format {contents.format} is unknown; this version reads {FORMAT}")
    return contents


class _Hashing(io.RawIOBase):
    """Hashes what passes through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(size)
        self.hash.update(piece)
        return piece
