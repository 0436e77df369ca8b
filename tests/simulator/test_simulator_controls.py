"""A proof that never fails proves little: servers broken on purpose must be found out."""

import pytest

from tests.simulator import driver, server
from tests.simulator.broken import BROKEN
from tests.simulator.ground import Ground
from tests.simulator.many import run

pytestmark = pytest.mark.anyio

MOST_SEEDS = 30


@pytest.mark.parametrize("name", sorted(BROKEN))
async def test_a_broken_server_is_found_out(here: Ground, name: str) -> None:
    """Within thirty histories an invariant fails."""
    control = BROKEN[name]
    with control.breaks(here):
        made = await run(here, range(1, MOST_SEEDS + 1), control.rules, most=1)
    assert made.violations, f"{name}: not found in {MOST_SEEDS} histories"


async def test_a_seed_tells_the_same_story_again(here: Ground) -> None:
    """Whatever ran before it, and however busy the machine: turns at locks included.

    Only of two requests that end at one moment (one dies, and with it the lock that the other
    waits for) either may be the first to tell.
    """
    stories = []
    for _ in range(2):
        made = await run(here, ["again 1", "again 2"], {driver.act: 1, server.overlap: 3})
        assert made.last is not None
        stories.append(sorted(made.last.history.log))
    assert stories[0] == stories[1]
    assert any("took turns" in line for line in stories[0])
