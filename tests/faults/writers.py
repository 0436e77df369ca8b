"""Eight writers on the same stops at once, and readers who follow their cursors and miss nothing.

``python -m tests.faults.writers --seconds 30 --write docs/proofs/writers.md``
"""

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from sqlalchemy import text

from backend.clock import SystemClock
from backend.settings import Settings
from backend.store.database import Database
from handset import Handset, Unreachable
from tests.faults.clusters import crashing
from tests.faults.proof import Proof, prove
from tests.faults.table import command, machine
from tests.faults.work import Driver, Over, Supervisor
from tests.faults.worlds import World, a_code, a_phone_of, a_world, phones
from tests.fixtures.breaking_off import until_broken_off
from tests.fixtures.phones import settings_for
from tests.fixtures.plans import a_plan
from tests.fixtures.servers import serving

DRIVERS, SUPERVISORS, PLANNERS = 3, 3, 2
# A reader looks so often; all else of the machine is for the writers.
_PAUSE_S = 0.03


@dataclass
class Watch:
    """A second phone of a driver, which only reads; what it saw of each entity."""

    phone: Handset
    pulls: int = 0
    seen: int = 0
    resets: int = 0
    strange: list[str] = field(default_factory=list)

    async def work(self, over: Over) -> None:
        """Follow the cursor; the digest of every reply must fit what was seen so far."""
        while not over():
            with contextlib.suppress(Unreachable):
                await self.look()
            await anyio.sleep(_PAUSE_S)

    async def look(self) -> None:
        """Follow the cursor up to now."""
        before = self.phone.base.versions()
        report = await self.phone.syncer.sync()
        after = self.phone.base.versions()
        self.pulls += report.rounds
        self.resets += report.resets
        self.seen += sum(after[key] != before.get(key) for key in after)
        self.seen += len(before.keys() - after.keys())
        self.strange += [
            f"{key} went back from {before[key]} to {v}"
            for key, v in after.items()
            if v < before.get(key, 0)
        ]


@dataclass
class Planner(Supervisor):
    """A planner: puts new routes on the road for the same drivers, and resequences those out."""

    db: Database | None = None
    world: World | None = None
    released: int = 0

    async def work(self, over: Over) -> None:
        """Publish, release, rearrange."""
        assert self.db is not None
        assert self.world is not None
        async with self._client() as client:
            await self._sign_in(client)
            while not over():
                ground = self.dice.choice(self.world.rounds)
                plan = await a_plan(self.db, "standard", "business", ground=ground)
                await self._insist(client, "POST", f"/plans/{plan.plan}/release")
                self.released += 1
                for _ in range(4):
                    await self._edit(client, 0)


@dataclass
class Crowd:
    """What was run, and what came of it."""

    seconds: float
    seed: int = 1
    readers: list[Watch] = field(default_factory=list)
    office: list[Supervisor] = field(default_factory=list)
    acts: int = 0
    transactions: int = 0
    deadlocks: int = 0
    missed: list[str] = field(default_factory=list)
    proof: Proof = field(default_factory=Proof)

    @property
    def answers(self) -> Counter[int]:
        """Answers to the office by status."""
        return sum((person.said for person in self.office), Counter[int]())

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        odd = [fault for reader in self.readers for fault in reader.strange]
        fresh = [f"reader {k} began anew" for k, r in enumerate(self.readers) if r.resets != 1]
        return [*self.proof.faults, *self.missed, *odd, *fresh]


async def crowd(run: Crowd, settings: Settings, url: str, folder: Path) -> Crowd:
    """Let them write for so long, then compare what readers hold with what is there."""
    db = Database(str(settings.database_url), clock=SystemClock())
    world = await a_world(settings, db, drivers=DRIVERS, stops=12, people=SUPERVISORS + PLANNERS)
    async with phones(world, url, folder) as fleet, _readers(world, db, url, folder) as readers:
        run.readers = readers
        before = await _counted(db)
        await _work(run, db, world, url, fleet)
        for reader in readers:
            await reader.look()
            await _compare(reader, url, folder, world, db, run)
        after = await _counted(db)
        run.transactions, run.deadlocks = (a - b for a, b in zip(after, before, strict=True))
        run.proof = await prove(db, settings, fleet, run.office)
    await db.close()
    return run


async def _work(run: Crowd, db: Database, world: World, url: str, fleet: Sequence[Handset]) -> None:
    dice = random.Random(run.seed)
    until = time.monotonic() + run.seconds
    drivers = [Driver(phone, random.Random(dice.random()), 20_000) for phone in fleet]
    people = [(email, random.Random(dice.random())) for email in world.people]
    run.office = [Supervisor(url, *who) for who in people[:SUPERVISORS]]
    run.office += [Planner(url, *who, db=db, world=world) for who in people[SUPERVISORS:]]

    def over() -> bool:
        return time.monotonic() > until

    async with asyncio.TaskGroup() as group:
        for driver in drivers:
            group.create_task(driver.work(over))
        for person in run.office:
            group.create_task(person.work(over))
        for reader in run.readers:
            group.create_task(reader.work(over))
    for driver in drivers:
        await driver.settle()
    run.acts = sum(len(phone.journal.all()) for phone in fleet)


@contextlib.asynccontextmanager
async def _readers(
    world: World, db: Database, url: str, folder: Path
) -> AsyncIterator[list[Watch]]:
    made: list[Watch] = []
    try:
        for number, each in enumerate(world.rounds):
            code = await a_code(world, db, each.driver)
            phone = await a_phone_of(code, url, folder / f"reader-{number}")
            made.append(Watch(phone))
            await made[-1].look()
        yield made
    finally:
        for reader in made:
            await reader.phone.close()


async def _compare(
    reader: Watch, url: str, folder: Path, world: World, db: Database, run: Crowd
) -> None:
    """A phone that begins now gets everything at once: it must be what the reader holds."""
    number = run.readers.index(reader)
    code = await a_code(world, db, world.rounds[number].driver)
    fresh = await a_phone_of(code, url, folder / f"fresh-{number}")
    await fresh.syncer.sync()
    held, there = reader.phone.base.versions(), fresh.base.versions()
    run.missed += [
        f"{key}: read {held.get(key)}, there is {there.get(key)}"
        for key in held.keys() | there.keys()
        if held.get(key) != there.get(key)
    ]
    await fresh.close()


async def _counted(db: Database) -> tuple[int, int]:
    """Committed transactions and deadlocks of this database, as PostgreSQL counts them."""
    query = text(
        "SELECT pg_stat_clear_snapshot(), xact_commit, deadlocks FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    async with db.snapshot() as tx:
        row = (await tx.execute(query)).one()
    return int(row.xact_commit), int(row.deadlocks)


_TABLE = """# Eight writers on the same stops

{drivers} phones push visits, {supervisors} supervisors override, reassign, pin and resequence,
{planners} planners release new routes for the same drivers and resequence: for {seconds:.0f}
seconds, over HTTP, against the real server in its own process. Meanwhile a second phone of each
driver only follows its cursor. In the end its copy is held against a snapshot, and the tables
against the phones' journals.

    {command}

| | |
|---|---|
| acts of phones | {acts} |
| answers to the office by status | {answers} |
| routes released | {released} |
| transactions | {transactions} |
| pulls by readers | {pulls} |
| changes they saw | {seen} |
| **changes they missed** | **{missed}** |
| times that a reader had to begin anew | {anew} |
| deadlocks that PostgreSQL broke (40P01) | {deadlocks} |
| **of them seen by a client as anything but "come again" that then worked** | **{strange}** |
| acknowledged and lost, done twice, not fitting | {lost}, {doubled}, {broken} |
| machine | {machine} |
"""


def write(run: Crowd) -> str:
    """Return the table in Markdown."""
    readers, proof = run.readers, run.proof
    return _TABLE.format(
        drivers=DRIVERS,
        supervisors=SUPERVISORS,
        planners=PLANNERS,
        seconds=run.seconds,
        command=command("tests.faults.writers"),
        acts=run.acts,
        answers=", ".join(f"{code}: {times}" for code, times in sorted(run.answers.items())),
        released=sum(each.released for each in run.office if isinstance(each, Planner)),
        transactions=run.transactions,
        pulls=sum(reader.pulls for reader in readers),
        seen=sum(reader.seen for reader in readers),
        missed=len(run.missed),
        anew=sum(reader.resets - 1 for reader in readers),
        deadlocks=run.deadlocks,
        strange=sum(len(person.strange) for person in run.office),
        lost=len(proof.lost),
        doubled=len(proof.doubled),
        broken=len(proof.broken),
        machine=machine(),
    ) + "".join(f"\n- {fault}" for fault in run.faults)


def main() -> None:
    """Let the crowd work and write its table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--write", type=Path)
    words.add_argument("--log", type=Path, help="keep PostgreSQL's log here")
    given = words.parse_args()
    os.nice(5)
    with tempfile.TemporaryDirectory(prefix="doorstep-writers-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with crashing(folder) as server:
            settings = settings_for(server.url, folder)
            with serving(settings) as api:
                url = f"http://127.0.0.1:{api.port}"
                run = Crowd(given.seconds, given.seed)
                asyncio.run(crowd(run, settings, url, folder / "phones"))
            if given.log:
                given.log.write_text(server.log)
    text_ = write(run)
    sys.stdout.write(text_)
    if given.write:
        given.write.write_text(text_)
    sys.exit(bool(run.faults))


if __name__ == "__main__":
    until_broken_off(main)
