"""The state machine: Hypothesis looks for the shortest sequence that breaks an invariant."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulator.ground import ground
from tests.simulator.machine import Machine

_ALL = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    stateful_step_count=12,
)


@pytest.fixture
def machine(fresh_pg_url: str, tmp_path: Path) -> Iterator[type[Machine]]:
    """The machine on a ground of its own, whose server lives in a thread."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(ground(fresh_pg_url, tmp_path)) as here,
    ):

        class Standing(Machine):
            """The machine, on this ground."""

        Standing.portal, Standing.ground = portal, here
        yield Standing


def test_no_sequence_of_steps_breaks_an_invariant(machine: type[Machine]) -> None:
    """A dozen sequences, the same in every run."""
    run_state_machine_as_test(machine, settings=settings(_ALL, max_examples=12))


@pytest.mark.soak
def test_no_long_sequence_breaks_an_invariant(machine: type[Machine]) -> None:
    """Many more, and longer."""
    longer = settings(_ALL, max_examples=1000, stateful_step_count=30)
    run_state_machine_as_test(machine, settings=longer)
