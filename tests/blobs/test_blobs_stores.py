"""Both stores keep one promise: what is read under an address hashes to that address."""

import hashlib
import os
import resource
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from backend.blobs import (
    BlobMissing,
    Blobs,
    BlobsUnavailable,
    FolderBlobs,
    open_blobs,
    read_bytes,
)
from backend.blobs.address import WrongBytesError, key_of
from backend.blobs.s3 import S3Blobs
from backend.settings import S3Settings, load

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["folder", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """An empty store of each kind; the S3 server is a real one."""
    if request.param == "folder":
        store: Blobs = FolderBlobs(tmp_path / "blobs")
    else:
        settings: S3Settings = request.getfixturevalue("s3")
        store = S3Blobs(replace(settings, bucket=f"b-{uuid4().hex}"))
    await store.prepare()
    return store


def file_of(folder: Path, content: bytes) -> tuple[str, Path]:
    """Write a file and tell its address."""
    path = folder / uuid4().hex
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest(), path


async def test_what_went_in_comes_out(blobs: Blobs, tmp_path: Path) -> None:
    """Bytes come back whole, in pieces; the size is known; preparing twice is harmless."""
    content = os.urandom(900_000)
    address, path = file_of(tmp_path, content)
    assert await blobs.size(address) is None
    await blobs.put_file(address, path, "image/jpeg")
    await blobs.prepare()
    pieces = [piece async for piece in blobs.read(address)]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 256 * 1024
    assert await blobs.size(address) == len(content)


async def test_putting_twice_is_harmless(blobs: Blobs, tmp_path: Path) -> None:
    """The second put of the same bytes changes nothing."""
    address, path = file_of(tmp_path, b"once")
    for _ in range(2):
        await blobs.put_file(address, path, "image/png")
    assert await read_bytes(blobs, address) == b"once"


async def test_older_objects_are_found(blobs: Blobs, tmp_path: Path) -> None:
    """Walking through a store gives every address that came before a moment, and no other."""
    kept = [file_of(tmp_path, os.urandom(20)) for _ in range(3)]
    for address, path in kept:
        await blobs.put_file(address, path, "image/png")
    now, hour = datetime.now(UTC), timedelta(hours=1)
    found = [address async for address in blobs.older(now + hour)]
    assert sorted(found) == sorted(address for address, _ in kept)
    assert [address async for address in blobs.older(now - hour)] == []


async def test_an_empty_object_is_an_object(blobs: Blobs, tmp_path: Path) -> None:
    """No bytes are bytes too."""
    address, path = file_of(tmp_path, b"")
    await blobs.put_file(address, path, "text/plain")
    assert await read_bytes(blobs, address) == b""


async def test_other_bytes_never_get_an_address(blobs: Blobs, tmp_path: Path) -> None:
    """A file whose bytes do not hash to the address is refused and leaves nothing."""
    address, _ = file_of(tmp_path, b"right")
    _, wrong = file_of(tmp_path, b"wrong")
    with pytest.raises(WrongBytesError):
        await blobs.put_file(address, wrong, "image/jpeg")
    assert await blobs.size(address) is None


async def test_absent_objects_are_named_so(blobs: Blobs, tmp_path: Path) -> None:
    """Reading what is not there is BlobMissing, deleting it is fine, deleted means gone."""
    address, path = file_of(tmp_path, b"short life")
    with pytest.raises(BlobMissing):
        await read_bytes(blobs, address)
    await blobs.delete(address)
    await blobs.put_file(address, path, "image/jpeg")
    await blobs.delete(address)
    assert await blobs.size(address) is None


@pytest.mark.parametrize(
    "address", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, "a" * 63 + "/", "٣" * 64]
)
async def test_only_addresses_become_paths(blobs: Blobs, address: str, tmp_path: Path) -> None:
    """Anything but 64 lower-case hex digits never gets near a path or key."""
    _, path = file_of(tmp_path, b"x")
    with pytest.raises(ValueError, match="SHA-256"):
        await blobs.put_file(address, path, "image/jpeg")
    with pytest.raises(ValueError, match="SHA-256"):
        await read_bytes(blobs, address)
    with pytest.raises(ValueError, match="SHA-256"):
        await blobs.size(address)


async def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """When the disk takes no more, the answer is 503 and no half object is left behind."""
    blobs = FolderBlobs(tmp_path / "blobs")
    await blobs.prepare()
    address, path = file_of(tmp_path, os.urandom(500_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(BlobsUnavailable):
            await blobs.put_file(address, path, "image/jpeg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []
    await blobs.put_file(address, path, "image/jpeg")
    assert await blobs.size(address) == 500_000


async def test_a_wreck_gives_way(tmp_path: Path) -> None:
    """A file of the wrong length under an address is replaced; kept files are read-only."""
    blobs = FolderBlobs(tmp_path / "blobs")
    address, path = file_of(tmp_path, b"the whole of it")
    target = tmp_path / "blobs" / key_of(address)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"the wh")
    await blobs.put_file(address, path, "image/jpeg")
    assert await read_bytes(blobs, address) == b"the whole of it"
    assert target.stat().st_mode & 0o777 == 0o400


async def test_a_dead_object_store_is_a_passing_fault(s3: S3Settings, tmp_path: Path) -> None:
    """Wrong credentials or nobody listening: 503, nothing is claimed to be kept."""
    address, path = file_of(tmp_path, b"x")
    for broken in (
        replace(s3, endpoint="http://127.0.0.1:9"),
        replace(s3, secret_key="wrong"),
    ):
        with pytest.raises(BlobsUnavailable):
            await S3Blobs(broken).put_file(address, path, "image/jpeg")


def test_the_settings_choose(s3: S3Settings, tmp_path: Path) -> None:
    """An endpoint in the settings means S3, none means a folder in the data directory."""
    settings = replace(load({}), data=tmp_path)
    assert isinstance(open_blobs(settings), FolderBlobs)
    assert isinstance(open_blobs(replace(settings, s3=s3)), S3Blobs)
