"""What people mistype is told in a sentence, never in a traceback."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli import doorstep


def said(*words: str) -> str:
    """Call a command that must refuse; return what it says."""
    done = CliRunner().invoke(doorstep, words)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code != 0
    return done.output


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """It names the folder and what to do."""
    (tmp_path / "file").touch()
    told = said("serve", "--data", str(tmp_path / "file" / "doorstep"))
    assert "cannot be made (Not a directory)" in told
    assert "--data" in told


@pytest.mark.parametrize("text", ['{"codes": [', '{"doors": {"a": {"code": 5}}}', "\udcff"])
def test_a_round_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    """It names the file and the place in it."""
    described = tmp_path / "round.json"
    described.write_bytes(text.encode("utf-8", "surrogateescape"))
    told = said("conformance", "http://127.0.0.1:9", "--round", str(described))
    assert "does not describe a round" in told.replace("\n", " ")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://a.example", "http://[", "http://a:0x"])
def test_an_address_that_is_none(url: str) -> None:
    """It says how one is written."""
    told = said("conformance", url, "--code", "ABCD-EFGH")
    assert "http://host:port" in told.replace("\n", " ")


def test_a_server_that_is_not_there() -> None:
    """One sentence, not sixty checks that each find the line dead."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = said("conformance", url, "--code", "ABCD-EFGH")
    assert told.count("\n") == 1
    assert f"no server answers at {url}" in told


def test_an_app_that_does_not_come() -> None:
    """Nothing was tried, which is another thing than not to conform."""
    told = said("conformance", "--client", "--minutes", "0")
    assert "no app did anything here" in told
    assert "does not conform" not in told
