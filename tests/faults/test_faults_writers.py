"""Writers who meet on the same stops: nobody's change is missed, no deadlock reaches a client."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.writers import Crowd, crowd
from tests.fixtures.phones import settings_for
from tests.fixtures.servers import serving


@pytest.mark.parametrize(
    "seconds", [3.0, pytest.param(30.0, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_readers_miss_nothing(fresh_pg_url: str, tmp_path: Path, seconds: float) -> None:
    """Eight writers at once; who follows cursors ends with what a snapshot holds."""
    settings = settings_for(fresh_pg_url, tmp_path)
    with serving(settings) as api:
        url = f"http://127.0.0.1:{api.port}"
        run = asyncio.run(crowd(Crowd(seconds), settings, url, tmp_path / "phones"))
    assert run.faults == []
    assert run.acts > 0
    assert sum(reader.seen for reader in run.readers) > 0
