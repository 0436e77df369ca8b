"""The drill's words for bad roads, and the luck they bring."""

from collections import Counter

import click
import pytest

from backend.cli.drill.faults import ALL_FAULTS, NO_FAULTS, Dice, Fault, FaultsType, in_words
from tests.fixtures.processes import ROOT


def test_each_kind_has_its_chance() -> None:
    """Kinds that are not named do not happen."""
    faults = FaultsType().convert("lost_reply=0.2,delay=0.5,503=0.1", None, None)
    assert faults == {Fault.LOST_REPLY: 0.2, Fault.DELAY: 0.5, Fault.UNAVAILABLE: 0.1}


def test_one_chance_is_for_all() -> None:
    """A bare number is the chance of every kind; `all` and `none` say what they mean."""
    assert FaultsType().convert("0.1", None, None) == dict.fromkeys(Fault, 0.1)
    assert FaultsType().convert("none", None, None) == NO_FAULTS
    assert FaultsType().convert("all", None, None) == ALL_FAULTS


@pytest.mark.parametrize("words", ["rain=0.1", "lost_reply=2", "lost_reply=x", "often"])
def test_what_is_no_fault_is_refused(words: str) -> None:
    """Unknown kinds, and chances that are none."""
    with pytest.raises(click.BadParameter):
        FaultsType().convert(words, None, None)


@pytest.mark.parametrize("words", ["banana", "banana=0.1"])
def test_whoever_guesses_is_told_the_kinds(words: str) -> None:
    """All of them, by the words that the option takes."""
    with pytest.raises(click.BadParameter) as refused:
        FaultsType().convert(words, None, None)
    assert "'banana'" in refused.value.message
    assert ", ".join(Fault) in refused.value.message


def test_the_page_names_the_kinds() -> None:
    """docs/drill.md calls them as the option does."""
    page = (ROOT / "docs" / "drill.md").read_text(encoding="utf-8")
    assert [kind for kind in Fault if f"**`{kind}`**" not in page] == []


@pytest.mark.parametrize("words", ["none", "all", "lost_reply=0.2,reset=0.05"])
def test_faults_are_told_as_they_are_asked_for(words: str) -> None:
    """What the report prints can be given to the option again."""
    assert in_words(FaultsType().convert(words, None, None)) == words


def test_the_same_seed_has_the_same_luck() -> None:
    """The n-th request of a phone suffers the same in every drill of that seed, and no other."""
    one, same, other = (Dice(ALL_FAULTS, seed) for seed in ("1/4", "1/4", "1/5"))
    luck = [one.throw() for _ in range(200)]
    assert luck == [same.throw() for _ in range(200)]
    assert luck != [other.throw() for _ in range(200)]


def test_every_kind_strikes_about_as_often_as_it_should() -> None:
    """Of ten thousand requests each kind hits about one in twenty; a request suffers one kind."""
    dice = Dice(ALL_FAULTS, "9")
    struck = Counter(dice.throw().fault for _ in range(10_000))
    assert set(struck) == {None, *Fault}
    assert all(300 < times < 600 for kind, times in struck.items() if kind is not None)
