"""Rows that were read past the mapper belong to a session like any other, from the first on."""

import subprocess
import sys
from pathlib import Path

FIRST = """
from uuid import UUID
from sqlalchemy.ext.asyncio import AsyncSession
from backend.store.direct import adopt
from backend.tables.stops import Stop
tx, row = AsyncSession(), {"id": UUID(int=7), "state": "released"}
stop = adopt(tx, Stop, row)
assert stop in tx and adopt(tx, Stop, row | {"state": "arrived"}) is stop
print(stop.state)
"""


def test_a_process_may_begin_with_an_adopted_row() -> None:
    """Nothing was queried before, as where the first call to a new process is a push."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FIRST], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("arrived\n", "")
