"""A proof that never fails proves little: servers broken on purpose must be found out."""

import pytest

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
