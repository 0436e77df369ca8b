"""Nothing acknowledged is lost or doubled, however the server or its database ends."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clusters import Crashing, crashing
from tests.faults.kills import Campaign, campaign

# One for each way in which an end can cut a request from its effect.
ENDS = (
    "push.request",
    "push.after_journal_lock",
    "push.after_statement",
    "push.after_entries",
    "push.before_scopes",
    "push.after_scopes",
    "push.before_commit",
    "push.mid_commit",
    "push.after_commit",
    "push.before_reply",
    "push.mid_reply",
    "push.after_reply",
    "console.before_commit",
    "console.after_commit",
    "upload.mid_chunk",
    "upload.before_rename",
    "upload.after_rename",
    "upload.mid_commit",
    "upload.before_discard",
    "upload.before_reply",
)


@pytest.fixture
def server(short_folder: Path) -> Iterator[Crashing]:
    """A durable PostgreSQL of this test's own, with an installation in it."""
    with crashing(short_folder) as server:
        yield server


SHORT = Campaign(len(ENDS), 2, 1, drivers=2, stops=3, points=ENDS, most_bytes=60_000, nth=1)
LONG = Campaign(500, 50, 2, drivers=6, stops=30)


@pytest.mark.parametrize(
    "plan", [SHORT, pytest.param(LONG, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_nothing_is_lost_or_doubled(server: Crashing, short_folder: Path, plan: Campaign) -> None:
    """Lives end at every point, the database crashes meanwhile; the journals find everything."""
    asyncio.run(campaign(plan, server, short_folder))
    assert plan.proof.faults == []
    assert plan.never == []
    assert plan.recoveries == plan.restarts
    assert plan.proof.acts == plan.proof.acked > 0
