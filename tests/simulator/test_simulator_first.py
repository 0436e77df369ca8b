"""The first half of the histories that every `make test` runs; see docs/simulator.md."""

import pytest

from tests.simulator.ground import Ground
from tests.simulator.many import run_all

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("first", range(1, 151, 30))
async def test_histories_hold_every_invariant(here: Ground, first: int) -> None:
    """Thirty seeds, each a history of faults on the road, in the database and in the server."""
    await run_all(here, range(first, first + 30))
