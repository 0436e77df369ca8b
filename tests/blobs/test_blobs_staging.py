"""Unfinished uploads: appended at the end, taken over by the newest writer, gone when discarded."""

import hashlib
import os
import resource
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import anyio
import pytest

from backend.blobs import BlobsUnavailable, Staging, StandsElsewhereError, UploadTakenOver

pytestmark = pytest.mark.anyio

DEVICE = UUID("0193d6a0-0000-7000-8000-000000000001")
SHA = hashlib.sha256(b"abcdef").hexdigest()
WRITER = """
import sys, pathlib, uuid, anyio
from backend.blobs import Staging

async def work():
    staging = Staging(pathlib.Path(sys.argv[1]))
    async with staging.begin(uuid.UUID(sys.argv[2]), sys.argv[3]) as part:
        await part.append(b"def")
        print("!", end="", flush=True)
        sys.stdin.read()

anyio.run(work)
"""


def files_below(folder: Path) -> list[Path]:
    """List every file, however deep."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def leave(staging: Staging, sha256: str, content: bytes) -> None:
    """Write bytes and go."""
    async with staging.begin(DEVICE, sha256) as part:
        await part.append(content)


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """An empty staging folder."""
    return Staging(tmp_path / "staging")


async def test_pieces_add_up(staging: Staging) -> None:
    """Appending moves the offset; a later request goes on where the file ends."""
    assert await staging.length(DEVICE, SHA) == 0
    async with staging.begin(DEVICE, SHA) as part:
        assert (part.start, await part.append(b"abc")) == (0, 3)
        await part.sync()
    async with staging.begin(DEVICE, SHA, 3) as again:
        assert (again.start, await again.append(b"def")) == (3, 6)
        assert await staging.length(DEVICE, SHA) == 6
        assert await again.digest() == SHA


@pytest.mark.parametrize("at", [None, 3])
async def test_the_newest_writer_wins(staging: Staging, at: int | None) -> None:
    """An older writer cannot add or cut a byte once a newer one began where the file stands."""
    async with staging.begin(DEVICE, SHA) as old:
        await old.append(b"abc")
        async with staging.begin(DEVICE, SHA, at) as new:
            with pytest.raises(UploadTakenOver):
                await old.append(b"XYZ")
            with pytest.raises(UploadTakenOver):
                await old.cut(0)
            await new.append(b"def")
            assert await new.digest() == SHA
        with pytest.raises(UploadTakenOver):
            await old.append(b"XYZ")


@pytest.mark.parametrize("at", [0, 2, 4, 10**12])
async def test_whoever_means_another_offset_takes_nothing(staging: Staging, at: int) -> None:
    """A beginning elsewhere is refused, and the writer under way goes on."""
    async with staging.begin(DEVICE, SHA) as old:
        await old.append(b"abc")
        with pytest.raises(StandsElsewhereError):
            async with staging.begin(DEVICE, SHA, at):
                pytest.fail("begun where the file does not stand")
        async with staging.begin_if_left(DEVICE, SHA, at) as part:
            assert part is None
        await old.append(b"def")
        assert await old.digest() == SHA


async def test_what_is_refused_leaves_no_file(staging: Staging, tmp_path: Path) -> None:
    """A beginning elsewhere of what is not there makes nothing that nobody would sweep."""
    with pytest.raises(StandsElsewhereError):
        async with staging.begin(DEVICE, SHA, 7):
            pytest.fail("begun where the file does not stand")
    async with staging.begin_if_left(DEVICE, SHA, 7) as part:
        assert part is None
    assert files_below(tmp_path) == []


async def test_only_what_was_left_is_taken_up(tmp_path: Path) -> None:
    """Whoever only looks takes an upload up when no process writes it, and only then."""
    here, there = Staging(tmp_path / "staging"), Staging(tmp_path / "staging")
    async with here.begin(DEVICE, SHA) as writer:
        await writer.append(b"abcdef")
        for staging in (here, there):
            async with staging.begin_if_left(DEVICE, SHA, 6) as part:
                assert part is None
        await writer.sync()
    async with there.begin_if_left(DEVICE, SHA, 6) as part:
        assert part is not None
        assert await part.digest() == SHA
        async with here.begin_if_left(DEVICE, SHA, 6) as second:
            assert second is None
        async with here.begin(DEVICE, SHA, 6):
            with pytest.raises(UploadTakenOver):
                await part.cut(0)


async def test_a_dead_link_does_not_keep_what_a_newer_writer_left(staging: Staging) -> None:
    """An older writer whose request still hangs is no reason to let the upload lie."""
    async with staging.begin(DEVICE, SHA):
        async with staging.begin(DEVICE, SHA) as newer:
            await newer.append(b"abcdef")
        async with staging.begin_if_left(DEVICE, SHA, 6) as part:
            assert part is not None


async def test_a_killed_writer_has_left(staging: Staging) -> None:
    """When a process is killed in the middle, its upload is in nobody's hands."""
    async with staging.begin(DEVICE, SHA) as part:
        await part.append(b"abc")
        root = part.path.parents[1]
    call = [sys.executable, "-c", WRITER, str(root), str(DEVICE), SHA]
    async with await anyio.open_process(call) as other:
        assert other.stdout is not None
        assert await other.stdout.receive() == b"!"
        async with staging.begin_if_left(DEVICE, SHA, 6) as taken:
            assert taken is None
        other.kill()
    async with staging.begin_if_left(DEVICE, SHA, 6) as left:
        assert left is not None


async def test_a_writer_does_not_outlive_its_upload(staging: Staging) -> None:
    """After a discard the old writer stops, even when the same upload begins anew."""
    async with staging.begin(DEVICE, SHA) as old:
        await old.append(b"abc")
        await staging.discard(DEVICE, SHA)
        with pytest.raises(UploadTakenOver):
            await old.append(b"def")
        async with staging.begin(DEVICE, SHA) as new:
            with pytest.raises(UploadTakenOver):
                await old.append(b"def")
            assert (new.start, await staging.length(DEVICE, SHA)) == (0, 0)


async def test_an_older_writer_puts_nothing_away(staging: Staging, tmp_path: Path) -> None:
    """Discarding one's own part leaves alone what a newer writer goes on with."""
    async with staging.begin(DEVICE, SHA) as old:
        await old.append(b"abcdef")
        async with staging.begin(DEVICE, SHA, 6) as new:
            await staging.discard(DEVICE, SHA, of=old)
            assert await new.digest() == SHA
            await staging.discard(DEVICE, SHA, of=new)
        await staging.discard(DEVICE, SHA, of=old)
        assert files_below(tmp_path) == []


async def test_a_copy_that_was_faster_is_no_fault_of_the_disk(staging: Staging) -> None:
    """Of two copies of a request one completes the upload; the other is told, and may ask."""
    async with staging.begin(DEVICE, SHA) as part:
        await part.append(b"abcdef")
        await staging.discard(DEVICE, SHA)
        with pytest.raises(UploadTakenOver):
            await part.sync()
        with pytest.raises(UploadTakenOver):
            await part.digest()
        with pytest.raises(UploadTakenOver), part.ours():
            part.path.read_bytes()


async def test_two_processes_know_of_each_other(tmp_path: Path) -> None:
    """The right to write lies in the file system, so another process takes over as well."""
    here, there = Staging(tmp_path / "staging"), Staging(tmp_path / "staging")
    async with here.begin(DEVICE, SHA) as old, there.begin(DEVICE, SHA):
        with pytest.raises(UploadTakenOver):
            await old.append(b"abc")


async def test_cutting_takes_bytes_back(staging: Staging) -> None:
    """A piece that fails its checksum is cut off again."""
    async with staging.begin(DEVICE, SHA) as part:
        await part.append(b"abcWRONG")
        await part.cut(3)
        await part.append(b"def")
        assert await part.digest() == SHA


async def test_devices_do_not_see_each_other(staging: Staging) -> None:
    """The same address under another device is another upload."""
    await leave(staging, SHA, b"abc")
    assert await staging.length(uuid4(), SHA) == 0


async def test_discarding_leaves_no_file(staging: Staging, tmp_path: Path) -> None:
    """Neither bytes nor locks stay; discarding what is not there is fine."""
    await leave(staging, SHA, b"abc")
    await staging.discard(DEVICE, SHA)
    await staging.discard(DEVICE, SHA)
    await staging.discard(uuid4(), SHA)
    assert files_below(tmp_path) == []


async def test_a_full_disk_leaves_whole_pieces(staging: Staging) -> None:
    """A write that fails half-way is taken back, so the offset stays true."""
    async with staging.begin(DEVICE, SHA) as part:
        await part.append(bytes(50_000))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, hard))
        try:
            with pytest.raises(BlobsUnavailable):
                await part.append(bytes(50_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert await staging.length(DEVICE, SHA) == 50_000
        assert await part.append(b"x") == 50_001


async def test_forgotten_uploads_are_swept(staging: Staging, tmp_path: Path) -> None:
    """What nobody continued since a moment goes; the rest stays."""
    old, new = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    await leave(staging, old, b"abc")
    await leave(staging, new, b"abc")
    cut = datetime.now(UTC) - timedelta(days=30)
    long_ago = (cut - timedelta(days=1)).timestamp()
    os.utime(tmp_path / "staging" / str(DEVICE) / f"{old}.part", (long_ago, long_ago))
    assert await staging.sweep(cut) == 1
    assert await staging.length(DEVICE, old) == 0
    assert await staging.length(DEVICE, new) == 3
