"""Run a history from its seed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.simulator import depot, driver, mishaps, server, uploads
from tests.simulator.dice import Dice, Ids
from tests.simulator.ground import MORNING, Ground, nothing_by_chance
from tests.simulator.history import History
from tests.simulator.proof import prove
from tests.simulator.truth import Violated

SHORT, LONG = (3, 7), (10, 20)
ONE_LONG_IN = 10
Rule = Callable[[History], Awaitable[None]]
RULES: dict[Rule, int] = {
    driver.act: 20,
    driver.sync: 6,
    driver.sync_on_a_bad_road: 7,
    driver.sync_with_a_dying_server: 5,
    driver.push_part: 3,
    driver.push_the_end: 2,
    driver.lose_some: 1,
    driver.poison: 2,
    mishaps.clock_jump: 2,
    mishaps.reboot: 1,
    mishaps.back_up_phone: 1,
    mishaps.restore_phone: 1,
    mishaps.reinstall: 1,
    mishaps.second_device: 1,
    uploads.upload: 1,
    server.edit: 9,
    server.overlap: 5,
    server.judge: 1,
    server.tidy: 2,
    server.upgrade: 1,
    server.resolve: 1,
}


@dataclass(slots=True)
class Told:
    """How a history went."""

    seed: int | str
    steps: int
    history: History
    violation: str | None


async def begin(ground: Ground, runs: Sequence[int], seeds: Sequence[int | str]) -> list[History]:
    """Lay the ground of several histories at once; ``runs`` tell them apart in the database."""
    ground.clock.set(MORNING)
    made = []
    for run, seed in zip(runs, seeds, strict=True):
        dice, ids = Dice(seed), Ids(run, seed)
        made.append(History(seed, ground, dice, ids, depot.draw(dice, ids)))
    await depot.lay(ground.db, ground.keys.master, [history.depots for history in made])
    for history in made:
        _hand_out(history)
    return made


def _hand_out(h: History) -> None:
    """Give every driver his phones."""
    for crew in h.depots.everybody:
        for device in crew.devices:
            h.switch_on(str(device), str(crew.driver))
    for visit in h.depots.visits:
        h.truth.may_see(str(visit.crew.driver), str(visit.stop))


async def settle_in(h: History) -> None:
    """Let both drivers load their manifests."""
    for crew in h.depots.crews:
        await h.sync(next(phone for phone in h.phones if phone.driver == str(crew.driver)))


def _length(h: History) -> int:
    """Draw how many steps; most are few, since much of what a history costs is its end."""
    return h.dice.number(*(LONG if h.dice.number(1, ONE_LONG_IN) == 1 else SHORT))


async def live(h: History, rules: Mapping[Rule, int] = RULES) -> Told:
    """Let a history happen, and prove it."""
    h.ground.clock.set(MORNING)
    h.ground.forget()
    steps = 0
    try:
        with nothing_by_chance(h.ids):
            await settle_in(h)
            for _ in range(_length(h)):
                if not h.live:
                    break
                h.pass_time()
                rule = h.dice.weighted(rules)
                h.tally[f"rule {getattr(rule, '__name__', '')}"] += 1
                steps += 1
                await rule(h)
            h.tell("— faults stop —")
            await prove(h)
    except Violated as violation:
        h.tell(f"VIOLATED {violation}")
        return Told(h.seed, steps, h, str(violation))
    return Told(h.seed, steps, h, None)
