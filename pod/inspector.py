"""Inspection of files in at most two worker processes, off the event loop and out of harm's way.

A worker is started at the first job and kept. One that crashes, hangs or eats too much is ended
and replaced; its file is refused as unreadable, nothing else is touched.
"""

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from backend.errors import DoorstepError, Unavailable
from pod.evidence import PhotoFacts, SignatureFacts
from pod.frames import write_frames
from pod.refusals import PhotoTooLarge, PhotoUnreadable, SignatureTooLarge, SignatureUnreadable

MAX_WORKERS = 2
MAX_WALL_S = 8.0
_ROOT = Path(__file__).resolve().parents[1]
_REFUSALS: MappingProxyType[str, type[DoorstepError]] = MappingProxyType(
    {
        refusal.code: refusal
        for refusal in (PhotoUnreadable, PhotoTooLarge, SignatureUnreadable, SignatureTooLarge)
    }
)


class Inspector:
    """Reads facts out of files, two at a time; ``close`` ends its processes.

    Give it one per process, not one per request; any event loop may use it.
    """

    def __init__(self, *, workers: int = MAX_WORKERS, wall_s: float = MAX_WALL_S) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="inspect")
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._alive: set[_Worker] = set()
        self._wall_s = wall_s
        self._closing = False

    async def inspect(
        self, kind: str, media_type: str, source: bytes | Path
    ) -> PhotoFacts | SignatureFacts:
        """Return the facts of a file; ``kind`` is the evidence's (photo, signature, id_check).

        Raises:
            PhotoTooLarge, SignatureTooLarge: over a limit of the contract.
            PhotoUnreadable, SignatureUnreadable: not a whole file of a type we take.
            Unavailable: the inspector is closed or cannot start a process.
        """
        if self._closing:
            raise Unavailable("inspection has ended")
        return await asyncio.wrap_future(
            self._threads.submit(self._inspect, kind, media_type, source)
        )

    def close(self) -> None:
        """End the worker processes and the threads that talk to them."""
        self._closing = True
        with self._lock:
            for worker in self._alive:
                worker.end()
            self._alive.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _inspect(
        self, kind: str, media_type: str, source: bytes | Path
    ) -> PhotoFacts | SignatureFacts:
        data = source if isinstance(source, bytes) else source.read_bytes()
        for last in (False, True):  # once more, lest somebody else's kill costs a good file
            try:
                return _facts(kind, self._worker().ask(kind, media_type, data, self._wall_s))
            except _WorkerLostError as error:
                self._drop()
                if self._closing:
                    raise Unavailable("inspection has ended") from error
                if last:
                    raise _refusal(kind, f"the file could not be decoded: {error}") from error
        raise AssertionError  # the loop returns or raises

    def _worker(self) -> "_Worker":
        """Return this thread's worker, started if need be."""
        worker: _Worker | None = getattr(self._mine, "worker", None)
        if worker is None or not worker.is_alive:
            self._drop()
            worker = _Worker()
            with self._lock:
                self._alive.add(worker)
            self._mine.worker = worker
        return worker

    def _drop(self) -> None:
        worker: _Worker | None = getattr(self._mine, "worker", None)
        self._mine.worker = None
        if worker is not None:
            worker.end()
            with self._lock:
                self._alive.discard(worker)


def _facts(kind: str, reply: dict[str, object]) -> PhotoFacts | SignatureFacts:
    refusal = reply.get("refusal")
    if isinstance(refusal, dict):
        raise _REFUSALS[str(refusal["code"])](str(refusal["detail"]))
    return facts_from_json(kind, reply["facts"])


def facts_from_json(kind: str, facts: object) -> PhotoFacts | SignatureFacts:
    """Return facts as ``dataclasses.asdict`` wrote them, after a trip through JSON."""
    if not isinstance(facts, dict):
        raise TypeError("facts are an object")
    if kind == "signature":
        return SignatureFacts(**facts)
    return PhotoFacts(**{**facts, "warnings": tuple(facts["warnings"])})


def _refusal(kind: str, detail: str) -> DoorstepError:
    return SignatureUnreadable(detail) if kind == "signature" else PhotoUnreadable(detail)


class _WorkerLostError(Exception):
    """The worker died or took too long over a file."""


class _Worker:
    """One process and the two pipes to it."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-m", "pod.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the server; a worker ends with its input
                env={"PYTHONPATH": str(_ROOT), "PATH": os.environ.get("PATH", "")},
            )
        except OSError as error:
            raise Unavailable("no process to inspect the file") from error

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, kind: str, media_type: str, data: bytes, wall_s: float) -> dict[str, object]:
        """Send a job and wait for its answer.

        Raises:
            _WorkerLostError: the process is gone or over its time, and must be replaced.
        """
        assert self._process.stdin is not None
        header = json.dumps({"kind": kind, "media_type": media_type}).encode()
        try:
            write_frames(self._process.stdin, header, data)
        except OSError as error:
            raise _WorkerLostError("the decoder died") from error
        until = time.monotonic() + wall_s
        length = int.from_bytes(self._read(4, until))
        reply: dict[str, object] = json.loads(self._read(length, until))
        return reply

    def _read(self, length: int, until: float) -> bytes:
        """Read exactly so many bytes, waiting no longer than ``until``."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        waiting = select.poll()  # select() knows no descriptor above 1023
        waiting.register(pipe, select.POLLIN)
        got = b""
        while len(got) < length:
            left = until - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise _WorkerLostError("the decoder took too long")
            piece = os.read(pipe, length - len(got))
            if not piece:
                raise _WorkerLostError("the decoder died")
            got += piece
        return got

    def end(self) -> None:
        """Kill the process and reap it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._process.wait()
