"""A second look at what one device told: what is held, in order, and what a person takes over."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from backend.dispatch.inbox import ask_no_more
from backend.domain.people import SYSTEM
from backend.identity.callers import calling
from backend.keys import Keys
from backend.store import mutations
from backend.store.database import Tx
from backend.store.devices import Journal
from backend.tables.mutations import Mutation as MutationRow
from sync.clocks import Exchange
from sync.clockwork import Estimate
from sync.dating import Dating, from_json
from sync.judging import Judging
from sync.keeping import answer_anew
from sync.matrix import Outcome
from sync.mutations import Fault, Heard, Mutation, hear
from sync.shown import DeviceTime

Held: TypeAlias = tuple[MutationRow, Heard]


def about_held(driver_id: UUID, mutation_id: UUID | None) -> str:
    """Name the question about a held mutation: one, from however many devices it came."""
    return f"held:{driver_id}:{mutation_id}"


class SecondLook:
    """Judges again what a device told before; its journal is locked, and the caller writes it."""

    def __init__(self, tx: Tx, journal: Journal, judging: Judging) -> None:
        self._tx = tx
        self._journal = journal
        self._judging = judging

    @classmethod
    def at(cls, tx: Tx, keys: Keys, journal: Journal) -> "SecondLook":
        """Look again while the device itself says nothing."""
        return cls(tx, journal, Judging(tx, keys, calling(journal.device), carefully=True))

    async def again(self) -> int:
        """Judge what was held once more, in order; return how many got another answer."""
        held = await self.held()
        await self._judging.bench.prepare([heard.read for _, heard in held])
        return await self.judge(held)

    async def accept(self, row: MutationRow) -> None:
        """Judge an act of a revoked device after all: a person has taken it over."""
        heard = hear(row.raw)
        if not isinstance(heard.read, Mutation):
            return
        await self._judging.bench.prepare([heard.read])
        when = _dated(self._journal, row, heard)
        answer_anew(row, heard, await self._judging.judged(heard, heard.read, when))
        self._journal.holds = self._journal.holds or row.outcome == Outcome.HELD

    async def held(self) -> list[Held]:
        """Read what is held of this device; hardly ever there is anything."""
        if not self._journal.holds:
            return []
        rows = await mutations.held(self._tx, self._journal.device.id)
        return [(row, hear(row.raw)) for row in rows]

    async def judge(self, held: Sequence[Held]) -> int:
        """What came earlier is judged earlier: before its device is heard any further."""
        if not held:
            return 0
        first = await mutations.first_answers(self._tx, self._journal.device.id)
        judged = [await self._judge_again(*one, first.get(one[0].seq or 0)) for one in held]
        self._journal.holds = any(row.outcome == Outcome.HELD for row, _ in held)
        await self._tx.flush()  # whoever recalls these next reads what is written
        return sum(judged)

    async def _judge_again(
        self, row: MutationRow, heard: Heard, first: mutations.FirstAnswer | None
    ) -> bool:
        """Judge a held mutation if what it waits for is there; its question closes by itself."""
        read = heard.read
        if first is not None:
            return _repeat(row, first)
        if isinstance(read, Fault) or (
            self._judging.bench.waits(read) and row.code == "unknown_stop"
        ):
            return False
        when = _dated(self._journal, row, heard)
        answer_anew(row, heard, await self._judging.judged(heard, read, when))
        if row.outcome != Outcome.HELD:
            await ask_no_more(self._tx, SYSTEM, None, about_held(row.driver_id, row.id))
        return True


def _dated(journal: Journal, row: MutationRow, heard: Heard) -> Estimate:
    """Return when a held mutation happened, as was said when it came."""
    if row.dated is not None:
        return from_json(row.dated)
    return Dating(journal.clocks, Exchange(row.received_at, DeviceTime())).date(heard)


def _repeat(row: MutationRow, first: mutations.FirstAnswer) -> bool:
    """Answer a repeat under a new device as its first taking was, once that is judged."""
    if first.outcome == Outcome.HELD:
        return False
    row.outcome, row.code = first.outcome, first.code
    row.receipt = {**first.receipt, "n": row.n}
    return True
