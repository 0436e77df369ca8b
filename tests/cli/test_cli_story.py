"""The made-up day of the demo."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from backend.cli.day.story import beginning_at


@pytest.mark.parametrize("hour", range(24))
def test_the_day_has_just_begun_whenever_one_looks(hour: int) -> None:
    """It is seven at the depots, so that nothing is late in the evening and no arrival is past."""
    now = datetime(2026, 11, 20, hour, 59, tzinfo=UTC)
    assert now.astimezone(ZoneInfo(beginning_at(now, hour=7))).hour == 7
