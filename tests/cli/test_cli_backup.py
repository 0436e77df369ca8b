"""A backup holds everything an installation is, and nothing less comes back to life."""

import json
from pathlib import Path

import pytest

from backend.cli.archive import ArchiveBroken, unpack, verify
from tests.fixtures.processes import doorstep

PERSON = ("person", "add", "--email", "a@b.org", "--role", "admin", "--password-stdin")


@pytest.fixture
def copied(short_folder: Path) -> Path:
    """The backup of a small installation with a database, keys and one piece of evidence."""
    data = short_folder / "old"
    (data / "blobs/sha256/ab").mkdir(parents=True)
    (data / "blobs/sha256/ab/evidence").write_bytes(b"a photo" * 1000)
    (data / "keys").mkdir()
    (data / "keys/master.key").write_text("the key\n")
    assert doorstep(*PERSON, "--data", str(data), stdin="pw\n").returncode == 0
    target = short_folder / "copy.tar"
    done = doorstep("backup", str(target), "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == 3
    return target


def test_a_restored_installation_is_the_same_with_a_new_life(
    copied: Path, short_folder: Path
) -> None:
    """Database, keys and evidence are back; the epoch is new; only the owner can read the keys."""
    data = short_folder / "new"
    done = doorstep("restore", str(copied), "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    assert (data / "keys/master.key").read_text() == "the key\n"
    assert (data / "keys/master.key").stat().st_mode & 0o077 == 0
    assert (data / "blobs/sha256/ab/evidence").read_bytes() == b"a photo" * 1000
    again = doorstep(*PERSON, "--data", str(data), "--json", stdin="pw\n")
    known = doorstep(*PERSON, "--data", str(short_folder / "old"), "--json", stdin="pw\n")
    assert json.loads(again.stdout)["id"] == json.loads(known.stdout)["id"]
    second = doorstep("restore", str(copied), "--data", str(short_folder / "third"), "--json")
    assert json.loads(second.stdout)["epoch"] != json.loads(done.stdout)["epoch"]


def test_nothing_is_overwritten(copied: Path, short_folder: Path) -> None:
    """Neither a file by a backup nor an installation by a restore."""
    data = str(short_folder / "old")
    before = copied.read_bytes()
    for words in (("backup", str(copied)), ("restore", str(copied))):
        done = doorstep(*words, "--data", data)
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
        done = doorstep("restore", str(copied), "--data", str(short_folder / "new"))
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
