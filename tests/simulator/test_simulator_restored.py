"""Histories in which the server loses what it had since its backup (I17)."""

from pathlib import Path

import pytest

from tests.simulator.ground import ground
from tests.simulator.many import run_restored, story

pytestmark = pytest.mark.anyio


async def test_what_phones_kept_comes_back_after_a_restore(
    pg_server: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Once every phone has spoken, all that any of them still has is there again, once."""
    async with ground(fresh_pg_url, tmp_path) as here:
        made = await run_restored(here, pg_server, range(1, 6))
    assert made.tally["server restored"] > 2
    assert not made.violations, "\n\n".join(story(told) for told in made.violations)
