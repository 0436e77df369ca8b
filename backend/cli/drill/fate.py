"""What befalls a phone in the course of a day: drawn from a seed before the day begins.

A day is a sequence of turns, one for each door. Every turn has dice of its own, so that a phone's
fate is known from seed and number alone: the same seed gives the same day.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Mishap(StrEnum):
    """What can befall a phone."""

    KILLED = "app killed"  # between any two steps that outlast it; opened again from its disk
    JUMPED = "clock jumped"  # the wall clock alone, by minutes to years
    REBOOTED = "rebooted"  # the app is gone too, and the monotonic clock begins anew
    REINSTALLED = "reinstalled"  # a new device, with the old journal
    LOST = "phone lost"  # a new phone; what the old one had not said is gone with it
    RESTORED = "restored"  # an old copy of the phone comes back, numbers and all
    FOUND = "found"  # one that was lost, revoked meanwhile, tells what it still had


class Extra(StrEnum):
    """What a driver does besides arriving and delivering."""

    NONE = "none"
    NOTE = "note"
    SCAN = "scan"
    SKIP = "skip"
    RESEQUENCE = "resequence"
    CORRECT = "correct"
    LATE_PHOTO = "late photo"
    NO_PROOF = "no proof"
    WRONG_CODE = "wrong code"
    MALFORMED = "malformed"
    RENEW = "renew the tokens"


_MISHAPS = {
    Mishap.KILLED: 9,
    Mishap.JUMPED: 6,
    Mishap.REBOOTED: 3,
    Mishap.REINSTALLED: 1,
    Mishap.LOST: 1,
    Mishap.RESTORED: 1,
}
_EXTRAS = {
    Extra.NONE: 50,
    Extra.NOTE: 6,
    Extra.SCAN: 6,
    Extra.SKIP: 3,
    Extra.RESEQUENCE: 2,
    Extra.CORRECT: 3,
    Extra.LATE_PHOTO: 4,
    Extra.NO_PROOF: 3,
    Extra.WRONG_CODE: 2,
    Extra.MALFORMED: 1,
    Extra.RENEW: 4,
}
# Clocks are set wrong by as much as this: minutes, hours, days, years, both ways.
_JUMPS = (
    timedelta(minutes=7),
    timedelta(hours=5),
    timedelta(days=40),
    timedelta(days=3 * 365),
    timedelta(days=11 * 365),
)
# A turn of a visit and a report has about as many steps that outlast the app.
_STEPS_OF_A_TURN = 90
_LONGEST_SPELL = 9


@dataclass(frozen=True, slots=True)
class Turn:
    """One door's worth of fate."""

    number: int
    in_reach: bool
    mishap: Mishap | None
    # The step before which the app is killed, where it is.
    kill_at: int
    jump: timedelta
    extra: Extra

    @property
    def is_found(self) -> bool:
        """Whether a phone that is lost now turns up again in the evening."""
        return self.kill_at % 2 == 0


@dataclass(frozen=True, slots=True)
class Odds:
    """How bad a day may get."""

    offline: float = 0.3
    mishaps: float = 0.2
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Fate:
    """The day of one phone; as many turns as anybody asks for."""

    odds: Odds
    phone: int
    out_all_day: bool

    def turns(self) -> Iterator[Turn]:
        """Every turn in order, without end."""
        spells = _dice(self.odds.seed, self.phone, "spells")
        share = _share_in_spells(self.odds.offline)
        left = 0
        for number in itertools.count(1):
            if left == 0 and share and spells.random() < _chance_to_begin(share):
                left = spells.randint(2, _LONGEST_SPELL)
            in_reach = not self.out_all_day and left == 0
            left = max(0, left - 1)
            yield self._turn(number, in_reach=in_reach)

    def _turn(self, number: int, *, in_reach: bool) -> Turn:
        dice = _dice(self.odds.seed, self.phone, f"turn {number}")
        struck = dice.random() < self.odds.mishaps
        mishap = dice.choices(list(_MISHAPS), list(_MISHAPS.values()))[0]
        jump = dice.choice(_JUMPS) * dice.uniform(0.2, 1.0) * dice.choice((-1, 1))
        extra = dice.choices(list(_EXTRAS), list(_EXTRAS.values()))[0]
        return Turn(
            number,
            in_reach,
            mishap if struck else None,
            dice.randrange(_STEPS_OF_A_TURN),
            jump,
            extra,
        )


def tell_fates(odds: Odds, phones: int) -> list[Fate]:
    """One fate a phone; of those out of reach, half never come into reach before evening."""
    dice = _dice(odds.seed, -1, "all day")
    return [Fate(odds, phone, dice.random() < odds.offline / 2) for phone in range(phones)]


def fingerprint(fates: list[Fate], turns: int) -> str:
    """What two days have in common that are the same."""
    told = "\n".join(repr(turn) for fate in fates for turn in itertools.islice(fate.turns(), turns))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _share_in_spells(offline: float) -> float:
    """The share that spells must have, where half of what is out of reach is out all day."""
    all_day = offline / 2
    return 0.0 if offline == 0 else min(1.0, (offline - all_day) / (1 - all_day))


def _chance_to_begin(share: float) -> float:
    """How likely a spell begins, so that spells of that mean length cover the share."""
    mean = (2 + _LONGEST_SPELL) / 2
    return share / (share + mean * (1 - share)) if share < 1 else 1.0


def _dice(seed: int, phone: int, what: str) -> random.Random:
    return random.Random(f"{seed}/{phone}/{what}")  # noqa: S311 - a story, not a secret
