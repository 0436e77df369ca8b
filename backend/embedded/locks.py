"""File locks that say who is there: they die with their holders, even by `kill -9`."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from backend.embedded.cluster import EmbeddedFailed


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock exclusively during the block; waits for it."""
    handle = opened(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock exclusively during the block if nobody has it; tells whether it is held."""
    handle = opened(path)
    try:
        yield taken(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def opened(path: Path) -> int:
    """Open a lock's file, made if need be; it is not passed on to other programs.

    Raises:
        EmbeddedFailed: the folder is somebody else's.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise EmbeddedFailed(f"{path.parent} belongs to another user") from error


def taken(handle: int, kind: int) -> bool:
    """Take a lock of this kind if that needs no waiting; tells whether it was to be had."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
