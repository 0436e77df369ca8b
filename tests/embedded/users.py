"""Processes that use an embedded server, and who keeps it, seen from outside."""

import subprocess
import sys
from pathlib import Path

from tests.fixtures.processes import ROOT, alive_with, environment

USER = """
import sys
from pathlib import Path
from backend.embedded import running
with running(Path(sys.argv[1]), tuning={"fsync": "off"}):
    print("in", flush=True)
    sys.stdin.read()
print("out", flush=True)
"""


def enter(data: Path) -> "subprocess.Popen[str]":
    """Begin to use the server in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
        text=True,
    )


def said(user: "subprocess.Popen[str]") -> str:
    """The next thing the user says."""
    assert user.stdout is not None
    return user.stdout.readline().strip()


def leave(user: "subprocess.Popen[str]") -> None:
    """Let the user go in order."""
    user.communicate()
    assert user.returncode == 0


def servers(data: Path) -> list[int]:
    """The postmasters of a data folder: there should be one at most."""
    found = alive_with(str(data)).items()
    return [pid for pid, words in found if "bin/postgres" in words]


def wardens(data: Path) -> list[int]:
    """The wardens of a data folder: there should be one at most."""
    found = alive_with(str(data)).items()
    return [pid for pid, words in found if "-m backend.embedded" in words]


def warden_of(data: Path) -> int:
    """The one warden of a data folder."""
    (warden,) = wardens(data)
    return warden
