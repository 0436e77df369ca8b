"""The use case: bring rows in, chunk by chunk, each chunk one transaction.

Idempotent by reference: a consignment whose fingerprint is known is left alone. Memory does not
grow with the file; only the remarks do, within bounds.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio.to_thread

from backend.domain.assignment import read_assignments
from backend.domain.consignment import ConsignmentState
from backend.domain.people import Actor
from backend.errors import NotFound
from backend.intake import write
from backend.intake.clean import CleanConsignment
from backend.intake.cleanse import cleanse
from backend.intake.decide import Decision, Step, decide
from backend.intake.notes import Remarks, RowCode, RowNote, one_per_record
from backend.intake.prepare import Spot, Surroundings, locate, remark_on_spot, settle
from backend.intake.records import Group
from backend.intake.report import ImportReport
from backend.intake.write import Ready
from backend.keys import Keys
from backend.store import intake as store
from backend.store.database import Database, Tx, moment
from backend.tables.consignments import Consignment

CHUNK = 200

Progress = Callable[[int, int], None]
Cleansed = tuple[CleanConsignment | None, Remarks]


class DepotUnknown(NotFound):
    """An import is for a depot that is there."""

    code = "depot_unknown"
    title = "There is no such depot"


class Rows(Protocol):
    """A file's consignments, whatever its format."""

    @property
    def warnings(self) -> tuple[RowNote, ...]:
        """Return what is to be said about the file as a whole."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Group]: ...


@dataclass(frozen=True, slots=True)
class _Import:
    """One run: for whom, where, on which day, and whether it is only a rehearsal."""

    db: Database
    keys: Keys
    actor: Actor
    around: Surroundings
    date: dt.date | None
    next_day: dt.date
    dry_run: bool
    report: ImportReport

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        return self.db.snapshot() if self.dry_run else self.db.begin()


async def import_rows(
    db: Database,
    keys: Keys,
    actor: Actor,
    depot: str,
    rows: Rows,
    *,
    service_date: dt.date | None = None,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Import every row that can go in, and tell about the others.

    Raises:
        DepotUnknown: there is no such depot.
    """
    run = await _open(db, keys, actor, depot, service_date, dry_run=dry_run)
    run.report.warn(list(rows.warnings))
    groups, done = iter(rows), 0
    while batch := await anyio.to_thread.run_sync(_cleanse_some, groups):
        await _import_chunk(run, batch)
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(rows))
    return run.report


async def _open(
    db: Database, keys: Keys, actor: Actor, code: str, date: dt.date | None, *, dry_run: bool
) -> _Import:
    async with db.snapshot() as tx:
        depot = await store.depot_by_code(tx, code)
        if depot is None:
            raise DepotUnknown
        zone = ZoneInfo(depot.timezone)
        rules = read_assignments(await store.assign_rules(tx) or [])
        around = Surroundings(depot, zone, await store.segment_codes(tx), rules)
        next_day = moment(tx).astimezone(zone).date() + dt.timedelta(days=1)
    return _Import(db, keys, actor, around, date, next_day, dry_run, ImportReport())


def _cleanse_some(groups: Iterator[Group]) -> list[Cleansed]:
    return [cleanse(group) for group in islice(groups, CHUNK)]


async def _import_chunk(run: _Import, batch: list[Cleansed]) -> None:
    good = [clean for clean, _ in batch if clean is not None]
    async with run.transaction() as tx:
        if not run.dry_run:
            await store.one_import_at_a_time(tx)
        spots = await locate(tx, good)
        known = await store.known(tx, [clean.reference for clean in good])
        rows: dict[UUID, Consignment] = {}
        if not run.dry_run and (changing := _changing(run, good, known)):
            rows = await store.lock(tx, changing)
            known = await store.known(tx, list(known))  # as it is under the lock
        await _Chunk(run, tx, known, spots, rows).write(batch)


def _changing(
    run: _Import, good: list[CleanConsignment], known: dict[str, store.Known]
) -> list[UUID]:
    return [
        there.id
        for clean in good
        if (there := known.get(clean.reference)) is not None
        and (
            there.content_hash != clean.content_hash()
            or not there.located
            or (run.date is not None and run.date != there.service_date)
        )
    ]


@dataclass(slots=True)
class _Chunk:
    """Up to 200 consignments in one transaction."""

    run: _Import
    tx: Tx
    known: dict[str, store.Known]
    spots: dict[str, Spot]
    rows: dict[UUID, Consignment]

    async def write(self, batch: list[Cleansed]) -> None:
        """Decide about each, write what changes, count."""
        fresh: list[Ready] = []
        changed: list[tuple[Step, store.Known, Ready]] = []
        for clean, remarks in batch:
            if clean is None:
                self._tell(remarks)
                continue
            decided = self._decide(clean, remarks)
            if decided is not None:
                step, known, ready = decided
                if known is None:
                    fresh.append(ready)
                else:
                    changed.append((step, known, ready))
            self._tell(remarks)
        if not self.run.dry_run:
            await self._store(fresh, changed)

    def _decide(
        self, clean: CleanConsignment, remarks: Remarks
    ) -> tuple[Step, store.Known | None, Ready] | None:
        """Return what is to be written, counting it; None where nothing is."""
        run, known, spot = self.run, self.known.get(clean.reference), self.spots[clean.reference]
        day = run.date or (known.service_date if known else run.next_day)
        settled = settle(clean, day, run.around, remarks)
        if settled is None:
            return None
        decision = self._verdict(clean, known, spot, day)
        if decision.code is not None:
            remarks.fault(clean.place, "reference", decision.code, decision.detail)
            return None
        self._remark(clean, known, spot, decision.step, remarks)
        return self._count(decision.step, known, Ready(clean, settled, spot, day))

    def _verdict(
        self, clean: CleanConsignment, known: store.Known | None, spot: Spot, day: dt.date
    ) -> Decision:
        if known is None:
            return decide(None, b"", clean.content_hash())
        if known.depot_id != self.run.around.depot.id:
            detail = "this reference belongs to another depot"
            return Decision(Step.REFUSE, RowCode.OTHER_DEPOT, detail)
        decision = decide(known.state, known.content_hash, clean.content_hash())
        moved = day != known.service_date and known.state in _WAITING
        if decision.step is Step.KEEP and moved:
            decision = Decision(Step.UPDATE)
        planned = known.state is ConsignmentState.PLANNED and decision.step is Step.UPDATE
        if planned and (spot.place is None or day != known.service_date):
            detail = "is on a plan; its new place is unknown or its day another: cancel it first"
            return Decision(Step.REFUSE, RowCode.ALREADY_PLANNED, detail)
        return decision

    def _remark(
        self,
        clean: CleanConsignment,
        known: store.Known | None,
        spot: Spot,
        step: Step,
        remarks: Remarks,
    ) -> None:
        if not (step is Step.KEEP and known is not None and known.located):
            remark_on_spot(clean, spot, self.run.around, remarks)
        if step is Step.UPDATE and known is not None and known.state is ConsignmentState.PLANNED:
            detail = "an unreleased plan holds it as it was: plan again"
            remarks.warn(clean.place, "reference", RowCode.PLAN_AGAIN, detail)

    def _count(
        self, step: Step, known: store.Known | None, ready: Ready
    ) -> tuple[Step, store.Known | None, Ready] | None:
        report = self.run.report
        learnt = known is not None and not known.located and ready.spot.place is not None
        if step is Step.KEEP and not (learnt and known and known.state in _WAITING):
            report.unchanged += 1
            return None
        if step is Step.CREATE:
            report.accepted += 1
        else:
            report.updated += 1
        return step, known, ready

    async def _store(
        self, fresh: list[Ready], changed: list[tuple[Step, store.Known, Ready]]
    ) -> None:
        run, tx = self.run, self.tx
        await write.create(tx, run.keys, run.actor, run.around.depot.id, fresh)
        for step, known, ready in changed:
            row = self.rows[known.id]
            match step:
                case Step.CONTACT:
                    await write.update_contact(tx, run.actor, row, ready.clean)
                case Step.KEEP:
                    await write.put_on_map(tx, run.actor, row, ready.spot)
                case _:
                    await write.update(tx, run.actor, row, ready)

    def _tell(self, remarks: Remarks) -> None:
        self.run.report.reject(one_per_record(remarks.faults))
        self.run.report.warn(remarks.warnings)


_WAITING = (ConsignmentState.READY, ConsignmentState.NEEDS_ATTENTION)
