"""What people mistype is told in a sentence, never in a traceback."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli import doorstep
from tests.fixtures.processes import doorstep as started


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


def test_a_folder_that_cannot_be_looked_into(tmp_path: Path) -> None:
    """`up` looks for a leader before it makes the folder, and says the same."""
    (tmp_path / "file").touch()
    done = started("up", "--port", "0", "--data", str(tmp_path / "file" / "doorstep"))
    assert done.returncode == 1
    assert "cannot be made (Not a directory)" in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One sentence that says what to do, before a folder or a database is made."""
    data = tmp_path / "doorstep"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = started("up", "--port", port, "--data", str(data))
    assert done.returncode == 1
    advice = "choose another with --port, or any free one with --port 0"
    assert done.stderr == f"Error: port {port} on 127.0.0.1 is taken: {advice}\n"
    assert not data.exists()


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
    """One sentence, not sixty checks that each find the line dead; machines get their object."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = said("conformance", url, "--code", "ABCD-EFGH")
        found, _, words = said("conformance", url, "--code", "X", "--json").partition("\n")
    assert told.count("\n") == 1
    assert f"no server answers at {url}" in told
    assert (json.loads(found)["conforms"], json.loads(found)["reason"] in words) == (False, True)


@pytest.mark.parametrize("url", ["http://a..b", "http://127.0.0.1:9/é"])
def test_a_name_that_cannot_be_one(url: str) -> None:
    """Names are for the library to judge; what it says is passed on."""
    assert f"no server answers at {url}" in said("conformance", url, "--code", "ABCD-EFGH")


def test_an_app_that_does_not_come() -> None:
    """Nothing was tried, which is another thing than not to conform."""
    told = said("conformance", "--client", "--minutes", "0")
    assert "no app did anything" in told
    assert "does not conform" not in told
