"""What people mistype is told in a sentence, never in a traceback."""

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
