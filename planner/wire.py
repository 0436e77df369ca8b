"""What the planning process and its parent say to each other: length-prefixed MessagePack frames.

The parent sends one ``Job``; the worker answers with any number of ``Searching`` and then with one
``Found`` or ``Broken``.
"""

from typing import IO

import msgspec

from planner.answer import Outcome, Progress
from planner.problem import Problem
from planner.solver import Budget

HEAD_BYTES = 4


class Job(msgspec.Struct, frozen=True):
    """What to search for, with what, for how long."""

    engine: str
    problem: Problem
    budget: Budget


class Searching(msgspec.Struct, frozen=True, tag="searching"):
    """The search goes on."""

    progress: Progress


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The search is over."""

    outcome: Outcome


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """The engine failed; the detail is for the operator."""

    detail: str


Word = Searching | Found | Broken


def encode(message: Job | Word) -> bytes:
    """Return a message as a frame."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEAD_BYTES) + body


def decode_job(body: bytes) -> Job:
    """Read a frame's body as a job; the values validate themselves."""
    return msgspec.msgpack.decode(body, type=Job)


def decode_word(body: bytes) -> Word:
    """Read a frame's body as the worker's word."""
    word: Word = msgspec.msgpack.decode(body, type=Word)
    return word


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Return the next frame's body, or None where the stream has ended."""
    head = stream.read(HEAD_BYTES)
    return stream.read(int.from_bytes(head)) if len(head) == HEAD_BYTES else None
