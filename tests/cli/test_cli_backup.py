"""A backup holds everything an installation is, and nothing less comes back to life."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from backend.cli.archive import ArchiveBroken, unpack, verify
from backend.embedded import running
from tests.fixtures.processes import called, doorstep

PERSON = ("person", "add", "--email", "a@b.org", "--role", "admin", "--password-stdin")


@pytest.fixture(scope="module")
def old() -> Iterator[Path]:
    """A small installation with a database, keys and one piece of evidence, and its backup."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-", dir="/tmp"))
    folder.chmod(0o711)
    data = folder / "old"
    (data / "blobs/sha256/ab").mkdir(parents=True)
    (data / "blobs/sha256/ab/evidence").write_bytes(b"a photo" * 1000)
    (data / "keys").mkdir()
    (data / "keys/master.key").write_text("the key\n")
    assert called(*PERSON, "--data", str(data), stdin="correct horse\n").returncode == 0
    done = doorstep("backup", str(folder / "copy.tar"), "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == 3
    yield data
    shutil.rmtree(folder)


@pytest.fixture
def copied(old: Path, tmp_path: Path) -> Path:
    """The backup, for a test to keep or to spoil."""
    return Path(shutil.copy(old.with_name("copy.tar"), tmp_path))


def test_a_restored_installation_is_the_same_with_a_new_life(
    old: Path, copied: Path, short_folder: Path
) -> None:
    """Database, keys and evidence are back; the epoch is new; only the owner can read the keys."""
    data = short_folder / "new"
    done = doorstep("restore", str(copied), "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    assert (data / "keys/master.key").read_text() == "the key\n"
    assert (data / "keys/master.key").stat().st_mode & 0o077 == 0
    assert (data / "blobs/sha256/ab/evidence").read_bytes() == b"a photo" * 1000
    again = called(*PERSON, "--data", str(data), "--json", stdin="correct horse\n")
    known = called(*PERSON, "--data", str(old), "--json", stdin="correct horse\n")
    assert json.loads(again.stdout)["id"] == json.loads(known.stdout)["id"]
    assert epoch(data) == json.loads(done.stdout)["epoch"] != epoch(old)


def epoch(data: Path) -> str:
    """Which life an installation is in."""

    async def ask(url: str) -> str:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return str(await connection.fetchval("SELECT epoch FROM installation"))
        finally:
            await connection.close()

    with running(data) as cluster:
        return asyncio.run(ask(cluster.url()))


def test_nothing_is_overwritten(old: Path, copied: Path) -> None:
    """Neither a file by a backup nor an installation by a restore."""
    before = copied.read_bytes()
    for words in (("backup", str(copied)), ("restore", str(copied))):
        done = called(*words, "--data", str(old))
        assert done.returncode == 1
        assert "exists" in done.stderr
    assert copied.read_bytes() == before


def test_a_damaged_backup_restores_nothing(copied: Path, short_folder: Path) -> None:
    """Cut short or with one changed byte, it is refused before anything is written."""
    whole = copied.read_bytes()
    place = whole.index(b"a photo")
    changed = whole[:place] + b"A" + whole[place + 1 :]
    for broken in (whole[:4000], whole[: len(whole) // 2], changed):
        copied.write_bytes(broken)
        with pytest.raises(ArchiveBroken):
            verify(copied)
        done = called("restore", str(copied), "--data", str(short_folder / "new"))
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    assert not (short_folder / "new").exists()


def test_a_member_cannot_leave_its_folder(tmp_path: Path) -> None:
    """An archive made by somebody else cannot write outside the data folder."""
    import io
    import tarfile

    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        info = tarfile.TarInfo("../outside")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(ArchiveBroken):
        list(unpack(evil, tmp_path / "inside"))
    assert not (tmp_path / "outside").exists()
