"""The inspector: facts come back, refusals too, and a killed worker costs nobody a file."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import anyio
import pytest
from PIL import Image

from backend.errors import Unavailable
from pod.evidence import PhotoFacts, SignatureFacts
from pod.inspector import Inspector, facts_from_json
from pod.refusals import PhotoTooLarge, PhotoUnreadable, SignatureTooLarge, SignatureUnreadable

pytestmark = pytest.mark.anyio
DATA = Path(os.environ.get("DOORSTEP_DATA_SETS", Path(__file__).parents[3] / "shared" / "data"))
HOSTILE = DATA / "pod_photos" / "pillow"
WAVE = b'{"strokes": [[[1, 1, 0], [40, 30, 16], [80, 5, 33], [120, 44, 50]]]}'


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    """Return an inspector that ends with the test."""
    made = Inspector()
    yield made
    made.close()


def jpeg(width: int = 320, height: int = 240) -> bytes:
    """Return a small photo."""
    out = io.BytesIO()
    Image.effect_noise((width, height), 60).save(out, "JPEG")
    return out.getvalue()


def workers(inspector: Inspector) -> list[int]:
    """Return the process ids of the workers."""
    return [worker._process.pid for worker in inspector._alive]


async def test_facts_come_back(inspector: Inspector, tmp_path: Path) -> None:
    """Bytes and files give the same facts; strokes give a signature's."""
    path = tmp_path / "photo"
    path.write_bytes(jpeg())
    facts = await inspector.inspect("photo", "image/jpeg", path)
    assert isinstance(facts, PhotoFacts)
    assert (facts.width, facts.height) == (320, 240)
    assert facts == await inspector.inspect("id_check", "image/jpeg", path.read_bytes())
    signed = await inspector.inspect("signature", "application/json", WAVE)
    assert isinstance(signed, SignatureFacts)
    assert facts_from_json("photo", {**asdict(facts), "warnings": []}) == facts
    assert facts_from_json("signature", asdict(signed)) == signed


@pytest.mark.parametrize(
    ("kind", "media_type", "data", "refusal"),
    [
        ("photo", "image/jpeg", b"no photo", PhotoUnreadable),
        ("photo", "image/jpeg", b"\xff" * (8 * 1024 * 1024 + 1), PhotoTooLarge),
        ("signature", "image/png", b"no png", SignatureUnreadable),
        ("signature", "application/json", b" " * (512 * 1024 + 1), SignatureTooLarge),
    ],
)
async def test_refusals_come_back(
    inspector: Inspector, kind: str, media_type: str, data: bytes, refusal: type[Exception]
) -> None:
    """A refusal in the worker is the same refusal here."""
    with pytest.raises(refusal):
        await inspector.inspect(kind, media_type, data)


async def test_never_more_than_two_workers(inspector: Inspector) -> None:
    """Twelve files at once are read by two processes."""
    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(inspector.inspect, "photo", "image/jpeg", jpeg())
    assert 1 <= len(workers(inspector)) <= 2


async def test_a_killed_worker_costs_no_file(inspector: Inspector) -> None:
    """Somebody kills the worker; the next file is read by a new one."""
    await inspector.inspect("photo", "image/jpeg", jpeg())
    for pid in workers(inspector):
        os.kill(pid, signal.SIGKILL)
    facts = await inspector.inspect("photo", "image/jpeg", jpeg())
    assert isinstance(facts, PhotoFacts)


async def test_a_stopped_worker_is_given_up() -> None:
    """A file that never ends to be read is refused, and the process is gone."""
    slow = Inspector(workers=1, wall_s=0.001)
    with pytest.raises(PhotoUnreadable):
        await slow.inspect("photo", "image/jpeg", jpeg())
    assert workers(slow) == []
    slow.close()


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"HOSTILE PHOTOS NOT TESTED: no {HOSTILE}")
async def test_hostile_photos_cost_no_worker(inspector: Inspector) -> None:
    """Bombs, crashes and truncated files are each refused or read, by one and the same process."""
    first: list[int] = []
    for path in sorted(HOSTILE.iterdir()):
        with suppress(PhotoUnreadable, PhotoTooLarge):
            assert isinstance(await inspector.inspect("photo", "image/jpeg", path), PhotoFacts)
        first = first or workers(inspector)
    assert set(first) <= set(workers(inspector))


async def test_close_leaves_no_process(inspector: Inspector) -> None:
    """After close the processes are reaped and nothing more is taken."""
    await inspector.inspect("photo", "image/jpeg", jpeg())
    (pid,) = workers(inspector)
    inspector.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Unavailable):
        await inspector.inspect("photo", "image/jpeg", jpeg())


def test_a_worker_ends_with_its_input() -> None:
    """A worker whose starter is gone ends by itself: no process is left behind."""
    ended = subprocess.run(
        [sys.executable, "-m", "pod.worker"], input=b"", capture_output=True, timeout=60, check=True
    )
    assert ended.stdout == b""
