"""Words on the console's pages."""

import pytest

from web.console.paper import span


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (1, "1 s"),
        (30_540, "31 s"),
        (119_000, "119 s"),
        (119_001, "2 min"),
        (7_140_001, "120 min"),
        (7_200_000, "2 h"),
        (7_200_001, "3 h"),
    ],
)
def test_a_span_is_never_said_to_be_shorter_than_it_is(milliseconds: int, said: str) -> None:
    """Seconds, minutes or hours, rounded up."""
    assert span(milliseconds) == said
