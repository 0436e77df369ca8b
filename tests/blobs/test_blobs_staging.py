"""Unfinished uploads: appended at the end, taken over by the newest writer, gone when discarded."""

import hashlib
import os
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from backend.blobs import BlobsUnavailable, Staging, UploadTakenOver

pytestmark = pytest.mark.anyio

DEVICE = UUID("0193d6a0-0000-7000-8000-000000000001")
SHA = hashlib.sha256(b"abcdef").hexdigest()


def files_below(folder: Path) -> list[Path]:
    """List every file, however deep."""
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """An empty staging folder."""
    return Staging(tmp_path / "staging")


async def test_pieces_add_up(staging: Staging) -> None:
    """Appending moves the offset; a later request goes on where the file ends."""
    assert await staging.length(DEVICE, SHA) == 0
    part = await staging.begin(DEVICE, SHA)
    assert (part.start, await part.append(b"abc")) == (0, 3)
    await part.sync()
    again = await staging.begin(DEVICE, SHA)
    assert (again.start, await again.append(b"def")) == (3, 6)
    assert await staging.length(DEVICE, SHA) == 6
    assert await again.digest() == SHA


async def test_the_newest_writer_wins(staging: Staging) -> None:
    """An older writer cannot add or cut a byte once a newer one began."""
    old = await staging.begin(DEVICE, SHA)
    await old.append(b"abc")
    new = await staging.begin(DEVICE, SHA)
    with pytest.raises(UploadTakenOver):
        await old.append(b"XYZ")
    with pytest.raises(UploadTakenOver):
        await old.cut(0)
    await new.append(b"def")
    assert await new.digest() == SHA


async def test_a_writer_does_not_outlive_its_upload(staging: Staging) -> None:
    """After a discard the old writer stops, even when the same upload begins anew."""
    old = await staging.begin(DEVICE, SHA)
    await old.append(b"abc")
    await staging.discard(DEVICE, SHA)
    with pytest.raises(UploadTakenOver):
        await old.append(b"def")
    new = await staging.begin(DEVICE, SHA)
    with pytest.raises(UploadTakenOver):
        await old.append(b"def")
    assert (new.start, await staging.length(DEVICE, SHA)) == (0, 0)


async def test_a_copy_that_was_faster_is_no_fault_of_the_disk(staging: Staging) -> None:
    """Of two copies of a request one completes the upload; the other is told, and may ask."""
    part = await staging.begin(DEVICE, SHA)
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
    old = await here.begin(DEVICE, SHA)
    await there.begin(DEVICE, SHA)
    with pytest.raises(UploadTakenOver):
        await old.append(b"abc")


async def test_cutting_takes_bytes_back(staging: Staging) -> None:
    """A piece that fails its checksum is cut off again."""
    part = await staging.begin(DEVICE, SHA)
    await part.append(b"abcWRONG")
    await part.cut(3)
    await part.append(b"def")
    assert await part.digest() == SHA


async def test_devices_do_not_see_each_other(staging: Staging) -> None:
    """The same address under another device is another upload."""
    part = await staging.begin(DEVICE, SHA)
    await part.append(b"abc")
    assert await staging.length(uuid4(), SHA) == 0


async def test_discarding_leaves_no_file(staging: Staging, tmp_path: Path) -> None:
    """Neither bytes nor locks stay; discarding what is not there is fine."""
    await (await staging.begin(DEVICE, SHA)).append(b"abc")
    await staging.discard(DEVICE, SHA)
    await staging.discard(DEVICE, SHA)
    await staging.discard(uuid4(), SHA)
    assert files_below(tmp_path) == []


async def test_a_full_disk_leaves_whole_pieces(staging: Staging) -> None:
    """A write that fails half-way is taken back, so the offset stays true."""
    part = await staging.begin(DEVICE, SHA)
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
    await (await staging.begin(DEVICE, old)).append(b"abc")
    await (await staging.begin(DEVICE, new)).append(b"abc")
    cut = datetime.now(UTC) - timedelta(days=30)
    long_ago = (cut - timedelta(days=1)).timestamp()
    os.utime(tmp_path / "staging" / str(DEVICE) / f"{old}.part", (long_ago, long_ago))
    assert await staging.sweep(cut) == 1
    assert await staging.length(DEVICE, old) == 0
    assert await staging.length(DEVICE, new) == 3
