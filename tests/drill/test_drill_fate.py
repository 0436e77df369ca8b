"""What befalls a phone is drawn from its seed, and about as bad as it was asked to be."""

from collections import Counter
from itertools import islice

from backend.cli.drill.fate import Mishap, Odds, fingerprint, tell_fates


def test_the_same_seed_is_the_same_day() -> None:
    """Turn by turn, phone by phone; another seed is another day."""
    first, again, other = (tell_fates(Odds(seed=seed), 5) for seed in (7, 7, 8))
    assert fingerprint(first, 50) == fingerprint(again, 50)
    assert fingerprint(first, 50) != fingerprint(other, 50)


def test_one_phone_more_changes_nothing_for_the_others() -> None:
    """Every phone has dice of its own."""
    assert fingerprint(tell_fates(Odds(seed=3), 9)[:5], 30) == fingerprint(
        tell_fates(Odds(seed=3), 5), 30
    )


def test_so_much_of_the_day_is_out_of_reach() -> None:
    """The share of doors without a network is about what was asked for, none or all included."""
    for offline in (0.0, 0.3, 0.7, 1.0):
        turns = [
            turn
            for fate in tell_fates(Odds(offline, seed=2), 150)
            for turn in islice(fate.turns(), 40)
        ]
        share = sum(not turn.in_reach for turn in turns) / len(turns)
        assert abs(share - offline) < 0.08, (offline, share)


def test_every_mishap_happens() -> None:
    """In a large enough fleet nothing is left out, and no more than was asked for befalls it."""
    fates = tell_fates(Odds(mishaps=0.2, seed=1), 100)
    turns = [turn for fate in fates for turn in islice(fate.turns(), 40)]
    struck = Counter(turn.mishap for turn in turns if turn.mishap is not None)
    assert set(struck) == set(Mishap) - {Mishap.FOUND}  # which comes of being lost
    assert 0.17 < sum(struck.values()) / len(turns) < 0.23
