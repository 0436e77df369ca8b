"""Frames between the inspector and its workers: a four-byte length, then so many bytes."""

from typing import IO


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return the next frame, or None where the stream has ended."""
    head = stream.read(4)
    return stream.read(int.from_bytes(head)) if len(head) == 4 else None


def write_frames(stream: IO[bytes], *frames: bytes) -> None:
    """Write frames and push them out."""
    stream.writelines(len(frame).to_bytes(4) + frame for frame in frames)
    stream.flush()
