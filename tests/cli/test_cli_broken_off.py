"""Ctrl-C before a command has said what it was asked for: it says so, and does not end with 0."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.processes import alive_with, command, environment

DRILL = ("drill", "--drivers", "1", "--stops", "1")
DEMO = ("demo", "--exit")
OWN = ("conformance", "--own")


def _broken_off(words: tuple[str, ...], data: Path, mark: str) -> tuple[int, str, str]:
    """Press Ctrl-C as soon as the mark is said; exit code, stdout, and what stderr said last."""
    with subprocess.Popen(
        command(*words, "--data", str(data)),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert any(mark in line for line in running.stderr), f"never came to: {mark}"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert alive_with(str(data)) == {}
    assert "Traceback" not in err
    return running.returncode, out, err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "mark", "said"),
    [
        (DEMO, "setting up PostgreSQL", "Error: the demo was broken off"),
        (DEMO, "planning both", "Error: the demo was broken off"),
        (DRILL, "setting up PostgreSQL", "Error: the drill was broken off"),
        (OWN, "preparing a round", "Error: broken off after 0 checks"),
    ],
)
def test_people_are_told(words: tuple[str, ...], mark: str, said: str, short_folder: Path) -> None:
    """One sentence, and nothing that looks like an outcome."""
    assert _broken_off(words, short_folder, mark) == (1, "", said)


def test_checks_that_were_broken_off_found_no_deviation(short_folder: Path) -> None:
    """The server is stopped under a check, which is nothing that the server did wrong."""
    with subprocess.Popen(
        command(*OWN, "--data", str(short_folder)),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        shown = [next(running.stdout) for _ in range(8)]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    shown += out.splitlines(keepends=True)
    assert running.returncode == 1
    assert {line[0] for line in shown} == {"✓"}, shown
    assert err.splitlines()[-1] == f"Error: broken off after {len(shown)} checks"


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (DEMO, {"day": "broken_off", "reason": "the demo was broken off"}),
        (DRILL, {"good": False, "reason": "the drill was broken off"}),
        (OWN, {"conforms": False, "checks": [], "reason": "broken off after 0 checks"}),
    ],
)
def test_machines_are_told(
    words: tuple[str, ...], facts: dict[str, object], short_folder: Path
) -> None:
    """One object, as always."""
    with subprocess.Popen(
        command(*words, "--json", "--data", str(short_folder)),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        home = short_folder / words[0]
        while not home.exists():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert json.loads(out) == facts
