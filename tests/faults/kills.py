"""Kill the server again and again under load, restart its database, and let the phones tell.

``python -m tests.faults.kills --kills 500 --restarts 50 --write docs/proofs/kills.md``
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from backend.clock import SystemClock
from backend.settings import load
from backend.store.database import Database
from handset import Handset
from tests.faults.clusters import Crashing, crashing
from tests.faults.points import POINTS
from tests.faults.proof import Proof, prove
from tests.faults.table import write
from tests.faults.work import Driver, Supervisor
from tests.faults.worlds import World, a_world, phones
from tests.fixtures.breaking_off import until_broken_off
from tests.fixtures.processes import ROOT, environment, free_port

# A life that does not come by its point in this time is ended where it stands.
LIFE_S = 6.0
# At which of its passings a life may end: there are many statements in a request.
_MOST_NTH = 3
_MOST_STATEMENTS = 24


@dataclass
class Campaign:
    """What was done to the server, and what came of it."""

    kills: int
    restarts: int
    seed: int
    drivers: int
    stops: int
    points: Sequence[str] = POINTS
    most_bytes: int = 100_000
    # A life ends at its point at the latest when it comes by for so many times.
    nth: int = 40
    ended: Counter[str] = field(default_factory=Counter)
    reached: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    recoveries: int = 0
    seconds: float = 0.0
    unreachable: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    sqlstates: Counter[str] = field(default_factory=Counter)
    proof: Proof = field(default_factory=Proof)

    @property
    def done(self) -> int:
        """Lives that ended where they were to end."""
        return self.ended.total()

    @property
    def never(self) -> list[str]:
        """Points at which no life ended."""
        return [point for point in self.points if not self.ended[point]]


class Lives:
    """The mother's end of the line."""

    def __init__(self, mother: asyncio.subprocess.Process) -> None:
        self._mother = mother

    async def one(self, aim: str, seconds: float) -> dict[str, tuple[int, int]] | None:
        """Let one life be lived; its counts if it ended by itself, None if it had to be ended."""
        self._say(aim)
        hears = asyncio.ensure_future(self._hear())
        done, _ = await asyncio.wait([hears], timeout=seconds)
        if not done:
            self._say("end")
        told = await hears
        return told.counts if told.signal == signal.SIGKILL else None

    @contextlib.asynccontextmanager
    async def unharmed(self) -> AsyncIterator[None]:
        """A life that ends when the block does."""
        self._say("-")
        try:
            yield
        finally:
            self._say("end")
            await self._hear()

    def _say(self, word: str) -> None:
        assert self._mother.stdin is not None
        self._mother.stdin.write(f"{word}\n".encode())

    async def _hear(self) -> "Told":
        assert self._mother.stdout is not None
        line = await self._mother.stdout.readline()
        if not line:
            raise RuntimeError("the mother of lives is gone; see lives.log in the data folder")
        return msgspec.json.decode(line, type=Told)


class Told(msgspec.Struct):
    """What the mother tells of a life: how it ended, and how often each point was come by."""

    signal: int = 0
    counts: dict[str, tuple[int, int]] = {}


@contextlib.asynccontextmanager
async def lives(world: World, port: int) -> AsyncIterator[Lives]:
    """Have a mother for the length of the block; she warms up on the last driver's work."""
    settings = world.settings
    environ = environment(
        {"DOORSTEP_DATA": str(settings.data), "DOORSTEP_DATABASE_URL": str(settings.database_url)}
    )
    words = [sys.executable, "-m", "tests.faults.mother", str(port)]
    words += [world.codes.pop(), world.people[-1]]
    pipe = asyncio.subprocess.PIPE
    with (settings.data / "lives.log").open("ab") as log:
        mother = await asyncio.create_subprocess_exec(
            *words,
            stdin=pipe,
            stdout=pipe,
            stderr=log,
            env=environ,
            cwd=ROOT,
            limit=1 << 20,
            start_new_session=True,  # Ctrl-C is for us; she ends with her input
        )
    try:
        made = Lives(mother)
        await made._hear()
        yield made
    finally:
        assert mother.stdin is not None
        mother.stdin.close()
        await mother.wait()


async def campaign(plan: Campaign, server: Crashing, folder: Path) -> Campaign:
    """Kill, restart, settle, prove."""
    started = time.monotonic()
    settings = replace(load({}), data=folder, database_url=server.url)
    db = Database(server.url, clock=SystemClock())
    world = await a_world(settings, db, drivers=plan.drivers + 1, stops=plan.stops)
    await db.close()  # its connections would not survive
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        mother = await stack.enter_async_context(lives(world, port))
        async with mother.unharmed():
            fleet = await stack.enter_async_context(phones(world, url, folder / "phones"))
        office = await _under_fire(plan, world, url, fleet, mother, server)
        async with mother.unharmed():
            drivers = [Driver(phone, random.Random(0)) for phone in fleet]
            await asyncio.gather(*(driver.settle() for driver in drivers))
        plan.proof = await prove(db, settings, fleet, office)
    await db.close()
    plan.seconds, plan.sqlstates = time.monotonic() - started, server.told()
    return plan


async def _under_fire(
    plan: Campaign,
    world: World,
    url: str,
    fleet: Sequence[Handset],
    mother: Lives,
    server: Crashing,
) -> list[Supervisor]:
    dice = random.Random(plan.seed)
    over = asyncio.Event()
    drivers = [Driver(phone, random.Random(dice.random()), plan.most_bytes) for phone in fleet]
    office = [Supervisor(url, email, random.Random(dice.random())) for email in world.people]
    workers = [asyncio.create_task(driver.work(over.is_set)) for driver in drivers]
    workers += [asyncio.create_task(person.work(over.is_set)) for person in office]
    try:
        await _kill(plan, dice, mother, server)
    except asyncio.CancelledError:  # broken off: there will be no life that answers them
        for worker in workers:
            worker.cancel()
        raise
    over.set()
    async with mother.unharmed():  # for those who still wait for an answer
        await asyncio.gather(*workers)
    plan.unreachable = sum(driver.unreachable for driver in drivers)
    for person in office:
        plan.answers += person.said
    return office


async def _kill(plan: Campaign, dice: random.Random, mother: Lives, server: Crashing) -> None:
    """Aim each life at the point where the fewest have ended so far."""
    while plan.done < plan.kills or plan.never:
        point = min(plan.points, key=lambda name: (plan.ended[name], dice.random()))
        most = _MOST_STATEMENTS if point.endswith("_statement") else _MOST_NTH
        nth = dice.randrange(1, min(most, plan.nth) + 1)
        due = min(plan.restarts, plan.restarts * (plan.done + 1) // plan.kills)
        recovery = None
        if plan.recoveries < due:
            recovery = asyncio.create_task(asyncio.to_thread(server.restart))
        counts = await mother.one(f"{point} {nth}", LIFE_S)
        if recovery is not None:
            await recovery
            plan.recoveries += 1
        if counts is None:
            plan.missed += 1
            if plan.missed > plan.kills:
                raise RuntimeError(f"no life ends at {plan.never or point}")
            continue
        plan.ended = Counter({name: ended for name, (_, ended) in counts.items() if ended})
        plan.reached = {name: reached for name, (reached, _) in counts.items()}


def main() -> None:
    """Run a campaign and write its table."""
    words = argparse.ArgumentParser(description=__doc__)
    least = f"so many kills, and at least one at each of the {len(POINTS)} points"
    words.add_argument("--kills", type=int, default=500, help=f"{least}; 500 by default")
    words.add_argument("--restarts", type=int, default=50)
    words.add_argument("--drivers", type=int, default=6)
    words.add_argument("--stops", type=int, default=30)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--write", type=Path)
    words.add_argument("--log", type=Path, help="keep PostgreSQL's log here")
    given = words.parse_args()
    os.nice(5)
    with tempfile.TemporaryDirectory(prefix="doorstep-kills-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with crashing(folder) as server:
            plan = Campaign(given.kills, given.restarts, given.seed, given.drivers, given.stops)
            asyncio.run(campaign(plan, server, folder))
            if given.log:
                given.log.write_text(server.log)
    text = write(plan)
    sys.stdout.write(text)
    if given.write:
        given.write.write_text(text)
    sys.exit(bool(plan.proof.faults or plan.never))


if __name__ == "__main__":
    until_broken_off(main)
