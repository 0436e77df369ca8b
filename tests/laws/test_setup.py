"""What a fresh machine is told: locks by hash alone, and a set-up that can be run again."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, str]:
    """Each locked package and its version."""
    found = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    """Every locked package is pinned and has its hashes; no registry is named."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert [
        entry[:60] for entry in entries if "==" not in entry or "--hash=sha256" not in entry
    ] == []


def test_the_locks_cover_what_is_declared_and_agree() -> None:
    """A runtime-only set-up is a part of the developers' one, version by version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[\[<>=]", line)[0].lower() for line in project["dependencies"]}
    runtime, development = pins(LOCKS[0]), pins(LOCKS[1])
    assert names - set(runtime) == set()
    assert runtime.items() <= development.items()


def install(python: str, venv: Path, environ: dict[str, str] | None = None) -> str:
    """Run the installer to its refusal and return what it says."""
    command = ["sh", str(ROOT / "tools/install.sh"), python, str(venv), "requirements.lock"]
    env = {**os.environ, **(environ or {})}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert not venv.exists()
    return done.stderr


def fake_python(folder: Path, script: str) -> str:
    """A Python that differs from ours in what the script says."""
    fake = folder / "python3"
    fake.write_text(f'#!/bin/sh\n{script}\nexec {sys.executable} "$@"\n')
    fake.chmod(0o755)
    return str(fake)


def test_the_installer_says_what_is_missing(tmp_path: Path) -> None:
    """No Python, one that is too old, one without venv: each is a sentence with the way out."""
    venv = tmp_path / "venv"
    assert "Install Python 3.11" in install(str(tmp_path / "nowhere"), venv)
    too_old = fake_python(tmp_path, 'case "$2" in *version_info*) exit 1;; esac')
    assert "too old" in install(too_old, venv)
    # Debian's own Python without python3-venv; uv, which needs no venv module, is out of the way.
    no_venv = fake_python(tmp_path, 'case "$*" in *venv*) exit 1;; esac')
    said = install(no_venv, venv, {"PATH": "/usr/bin:/bin"})
    assert "apt-get install python3-venv" in said
