"""What a mobile network does to requests, each kind with its own chance."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import click


class Fault(StrEnum):
    """One kind of trouble on the road."""

    LOST_REQUEST = "lost_request"  # cut before the server heard of it
    LOST_REPLY = "lost_reply"  # the server did its work and nobody hears of it
    DUPLICATE = "duplicate"  # the server hears it twice, one after the other or both at once
    DELAY = "delay"  # late; or so late that the phone has given up when it arrives
    TRUNCATION = "truncation"  # request or reply breaks off in the middle
    RESET = "reset"  # RST before, after or in the middle of the reply
    UNAVAILABLE = "503"  # from a gateway, before or after the server did its work


USUAL = 0.05
LONGEST_DELAY_S = 0.25
# So late that the phone has given up waiting; the server hears of it nevertheless.
LATEST_S = 1.5
# Were it more often than this, no phone would ever get through.
MOST = 0.9
KINDS = ", ".join(Fault)
_CHANCE = click.FloatRange(0, MOST)

Faults = Mapping[Fault, float]
NO_FAULTS: Faults = {}
ALL_FAULTS: Faults = dict.fromkeys(Fault, USUAL)


@dataclass(frozen=True, slots=True)
class Luck:
    """What one request is going to suffer; drawn before it is looked at."""

    fault: Fault | None
    delay_s: float
    # Where a fault has variants, and where in the bytes it strikes.
    variant: float
    where: float


@dataclass(slots=True)
class Dice:
    """One phone's luck on the road: the n-th request's is the same whatever happened before."""

    faults: Faults
    seed: str
    _thrown: int = field(default=0, init=False)

    def throw(self) -> Luck:
        """The luck of the next request."""
        self._thrown += 1
        dice = random.Random(f"{self.seed}/{self._thrown}")  # noqa: S311 - bad luck, no secret
        struck = [kind for kind in Fault if dice.random() < self.faults.get(kind, 0.0)]
        late = Fault.DELAY in struck
        delay_s = dice.uniform(0, LONGEST_DELAY_S) if late else 0.0
        fault = next((kind for kind in struck if kind is not Fault.DELAY), None)
        return Luck(fault or (Fault.DELAY if late else None), delay_s, dice.random(), dice.random())


class FaultsType(click.ParamType[Faults]):
    """`kind=chance,…`, one chance for every kind, `all`, or `none`."""

    name = "faults"

    def convert(
        self, value: str | Faults, param: click.Parameter | None, ctx: click.Context | None
    ) -> Faults:
        if not isinstance(value, str):
            return value
        if value in {"none", "all"}:
            return NO_FAULTS if value == "none" else ALL_FAULTS
        if "=" not in value:
            return dict.fromkeys(Fault, self._chance_of_all(value, param, ctx))
        return dict(self._pair(part, param, ctx) for part in filter(None, value.split(",")))

    def _chance_of_all(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            float(value)
        except ValueError:
            forms = f"{value!r} is neither a chance, all nor none, nor KIND=CHANCE,..."
            self.fail(f"{forms}; the kinds: {KINDS}", param, ctx)
        return float(_CHANCE(value, param, ctx))

    def _pair(
        self, part: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Fault, float]:
        kind, _, chance = part.partition("=")
        if kind not in list(Fault):
            self.fail(f"{kind!r} is none of the kinds: {KINDS}", param, ctx)
        return Fault(kind), float(_CHANCE(chance, param, ctx))


def in_words(faults: Faults) -> str:
    """As the option takes it, so that a drill can be replayed."""
    if faults == ALL_FAULTS:
        return "all"
    return ",".join(f"{kind}={chance:g}" for kind, chance in faults.items() if chance) or "none"
