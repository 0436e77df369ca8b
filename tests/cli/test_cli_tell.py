"""What a person at a terminal sees of a step."""

import os
import pty
import subprocess
import sys
from pathlib import Path


def seen_on_terminal(*arguments: str) -> str:
    """Run the command with its stderr on a terminal; what was written there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "backend.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 4096):
                seen += chunk
        except OSError:  # Linux says so when the last writer has gone
            pass
        finally:
            os.close(ours)
        process.wait()
    return seen.decode()


def test_an_error_has_a_line_of_its_own(tmp_path: Path) -> None:
    """A step that fails is marked as failed, and what is said about it begins a line."""
    damaged = tmp_path / "half.tar"
    damaged.write_bytes(b"half a backup")
    seen = seen_on_terminal("restore", str(damaged), "--data", str(tmp_path / "new"))
    assert "✗ checking the backup" in seen
    assert "\nError: " in seen
