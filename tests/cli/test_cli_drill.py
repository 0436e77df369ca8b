"""The drill's words for bad roads."""

import click
import pytest

from backend.cli.day.roads import NO_FAULTS, Faults
from backend.cli.drill import FaultsType


def test_each_kind_has_its_chance() -> None:
    """Kinds that are not named do not happen."""
    faults = FaultsType().convert("lost_reply=0.2,delay=0.5", None, None)
    assert faults == Faults(lost_reply=0.2, delay=0.5)


def test_one_chance_is_for_all() -> None:
    """A bare number is the chance of every kind."""
    assert FaultsType().convert("0.1", None, None) == Faults(0.1, 0.1, 0.1, 0.1)
    assert FaultsType().convert("none", None, None) == NO_FAULTS


@pytest.mark.parametrize("words", ["rain=0.1", "lost_reply=2", "lost_reply=x", "often"])
def test_what_is_no_fault_is_refused(words: str) -> None:
    """Unknown kinds, and chances that are none."""
    with pytest.raises(click.BadParameter):
        FaultsType().convert(words, None, None)
