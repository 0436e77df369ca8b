"""Histories in which the server loses what it had since its backup (I17)."""

from itertools import count
from pathlib import Path

import pytest

from tests.simulator.ground import ground
from tests.simulator.history import History
from tests.simulator.many import story
from tests.simulator.restoring import Vault
from tests.simulator.run import RULES, Rule, begin, live

pytestmark = pytest.mark.anyio

_runs = count(1)


@pytest.mark.parametrize("seed", range(1, 7))
async def test_what_phones_kept_comes_back_after_a_restore(
    seed: int, pg_server: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Once every phone has spoken, all that any of them still has is there again, once."""
    async with ground(fresh_pg_url, tmp_path) as here:
        vault = Vault(pg_server, here)

        async def back_up(h: History) -> None:
            await vault.back_up(h)

        async def restore(h: History) -> None:
            await vault.restore(h)

        rules: dict[Rule, int] = {**RULES, back_up: 6, restore: 8}
        (history,) = await begin(here, [next(_runs)], [f"restored {seed}"])
        told = await live(history, rules)
    assert told.violation is None, story(told)
