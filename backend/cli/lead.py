"""One leader for a data folder: a file lock, and in the file who leads and where to reach him.

A leader who ends in order clears the file; so a free lock on a signed file means that the last one
was killed and that his children may need a moment to notice.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.cli.family import NotStarted


@dataclass(frozen=True, slots=True)
class Leader:
    """The right to run the system of one data folder."""

    inherits: bool
    _file: int

    def sign(self, url: str) -> None:
        """Write down who and where we are."""
        self._write(json.dumps({"pid": os.getpid(), "url": url}))

    def clear(self) -> None:
        """Say that nobody leads any more."""
        self._write("")

    def _write(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)


@contextlib.contextmanager
def lead(data: Path) -> Iterator[Leader]:
    """Be the only leader of this data folder for the length of the block.

    Raises:
        NotStarted: somebody else is.
    """
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    file = os.open(data / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotStarted(_who(data, file)) from None
        leader = Leader(inherits=bool(os.pread(file, 1, 0)), _file=file)
        try:
            yield leader
        finally:
            leader.clear()
    finally:
        os.close(file)


def look(data: Path) -> bool:
    """Tell whether a killed leader may have left something; changes nothing.

    Raises:
        NotStarted: somebody leads this data folder.
    """
    try:
        file = os.open(data / "up.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # what is wrong with the folder is told by whoever makes it
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return bool(os.pread(file, 1, 0))
    except BlockingIOError:
        raise NotStarted(_who(data, file)) from None
    finally:
        os.close(file)


def _who(data: Path, file: int) -> str:
    try:
        known = json.loads(os.pread(file, 4096, 0))
        return f"{data} is already up at {known['url']} (process {known['pid']})"
    except (ValueError, KeyError):
        return f"{data} is already being started"
