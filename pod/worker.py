"""The process in which hostile bytes are decoded: little memory, little time, no secrets.

Speaks frames on stdin and stdout: a four-byte length, a JSON header, and for a job the bytes.
Ends when its input ends, so it cannot outlive whoever started it.
"""

import json
import resource
import sys
from dataclasses import asdict

from backend.errors import DoorstepError
from pod.frames import read_frame, write_frames
from pod.photo import inspect_photo
from pod.refusals import PhotoUnreadable
from pod.signature import inspect_signature

MAX_MEMORY = 768 * 1024 * 1024
MAX_CPU_S = 5


def answer(kind: str, media_type: str, data: bytes) -> dict[str, object]:
    """Return ``{facts}`` or ``{refusal: {code, detail}}``; never raises."""
    try:
        if kind == "signature":
            return {"facts": asdict(inspect_signature(media_type, data))}
        return {"facts": asdict(inspect_photo(data))}
    except DoorstepError as refusal:
        return {"refusal": {"code": refusal.code, "detail": refusal.detail}}
    except Exception as error:  # noqa: BLE001 - a decoder's surprise is the file's fault
        return {"refusal": {"code": PhotoUnreadable.code, "detail": type(error).__name__}}


def main() -> None:
    """Answer jobs until the input ends."""
    _limit(resource.RLIMIT_AS, MAX_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    while (header := read_frame(jobs)) is not None:
        data = read_frame(jobs)
        if data is None:
            return
        _allow_cpu()
        job = json.loads(header)
        reply = answer(job["kind"], job["media_type"], data)
        write_frames(answers, json.dumps(reply).encode())


def _allow_cpu() -> None:
    """Give the next job its own seconds; the limit counts the process's whole life."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(spent.ru_utime + spent.ru_stime) + 1 + MAX_CPU_S)


def _limit(what: int, most: int) -> None:
    """Lower the soft limit, never above a hard one that is already there."""
    _, hard = resource.getrlimit(what)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (soft, hard))


if __name__ == "__main__":
    main()
