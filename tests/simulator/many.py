"""Run many histories on one ground, and gather how they went."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.simulator.ground import Ground
from tests.simulator.restoring import Vault
from tests.simulator.run import RULES, Rule, Told, begin, live

_TOGETHER = 15
_runs = count(1)


@dataclass(slots=True)
class Sum:
    """What came of many histories."""

    histories: int = 0
    steps: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[Told] = field(default_factory=list)
    found: int = 0
    stories: list[str] = field(default_factory=list)
    last: Told | None = None

    def add(self, told: Told) -> None:
        """Count one more."""
        self.last = told
        self.histories += 1
        self.steps += told.steps
        self.tally.update(told.history.tally)
        self.outcomes.update(told.history.truth.outcomes)
        if told.violation is not None:
            self.violations.append(told)


async def run(
    here: Ground, seeds: Sequence[int | str], rules: Mapping[Rule, int] = RULES, *, most: int = 0
) -> Sum:
    """Run histories; with ``most``, stop at so many violations."""
    made = Sum()
    for first in range(0, len(seeds), _TOGETHER):
        together = seeds[first : first + _TOGETHER]
        for history in await begin(here, [next(_runs) for _ in together], together):
            made.add(await live(history, rules))
            if most and len(made.violations) == most:
                return made
    return made


async def run_restored(here: Ground, server: str, seeds: Sequence[int | str]) -> Sum:
    """Run histories in which the server is backed up, and restored from its backup.

    Each changes the database under the ground; what earlier ones left is in the later ones' way
    no more than in a long day's.
    """
    made, vault = Sum(), Vault(server, here)
    rules = {**RULES, vault.back_up: 15, vault.restore: 25}
    for seed in seeds:
        (history,) = await begin(here, [next(_runs)], [f"restored {seed}"])
        vault.backup = None
        made.add(await live(history, rules))
    await vault.clear()
    return made


async def run_all(here: Ground, seeds: Sequence[int | str]) -> Sum:
    """Run histories, none of which may violate anything.

    Raises:
        AssertionError: one did; the story is in the message, and its seed tells it again.
    """
    made = await run(here, seeds)
    assert not made.violations, "\n\n".join(story(told) for told in made.violations)
    return made


def story(told: Told) -> str:
    """Tell a history step by step, and how to see it again."""
    again = f"python -m tests.simulator -v --seed {told.seed}".replace(" restored", "")
    again += " --restored" if str(told.seed).startswith("restored") else ""
    return "\n".join([again, *told.history.log, str(told.violation)])
