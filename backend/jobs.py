"""The timetable: one process that does what is due, beside as many others as one likes.

APScheduler is only the clock on the wall: a tick calls a function that claims its work from our own
tables, so two timetables never do a thing twice. One of them leads, by a lease with an epoch; ticks
that write for everybody look at it inside their own transaction. Plans are claimed by who is free.
"""

import asyncio
import datetime as dt
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from backend.audit.checkpoint import Signer, signer_of
from backend.audit.guard import stand_guard
from backend.audit.seal import seal
from backend.blobs import open_blobs, open_staging
from backend.clock import Clock, SystemClock
from backend.dispatch.boards import clear_boards, drop_tombstones, number_boards
from backend.dispatch.contact import ask_about_replaced
from backend.dispatch.months import keep_months
from backend.dispatch.release import close_day
from backend.ids import new_id
from backend.keys import Keys, load_keys
from backend.repeats import Repeats
from backend.settings import Settings
from backend.store import devices, evidence, leases, people, tries
from backend.store.database import Database, Tx, moment
from backend.wire.outage import will_pass
from planner.nightly import queue_nightly
from planner.service import make_next_plan
from pod.service import settle_overdue
from pod.upkeep import collect, recheck
from sync.held import ask_about_held, judge_held, judge_learnt

log = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=6)
STALE_UPLOAD = dt.timedelta(days=30)
LONGEST_WINDOW = dt.timedelta(hours=1)  # of counted tries: a customer's wishes


class NotLeading(Exception):
    """Another timetable leads now; what this tick was about to write is void."""


class Leadership:
    """This process's hold on the lease named ``jobs``."""

    NAME = "jobs"

    def __init__(self, db: Database) -> None:
        self._db = db
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
        self._epoch: int | None = None

    @property
    def leads(self) -> bool:
        """Whether the last look at the lease said so."""
        return self._epoch is not None

    async def renew(self) -> None:
        """Take the lease if it is free, prolong it if it is ours."""
        async with self._db.begin() as tx:
            self._epoch = await leases.take(tx, self.NAME, self._holder, LEASE)

    async def fence(self, tx: Tx) -> None:
        """Make sure, inside a transaction, that we still lead when it commits.

        Raises:
            NotLeading: we do not.
        """
        held = self._epoch is not None and await leases.holds(
            tx, self.NAME, self._holder, self._epoch
        )
        if not held:
            raise NotLeading

    async def resign(self) -> None:
        """Let the next timetable lead at once."""
        self._epoch = None
        async with self._db.begin() as tx:
            await leases.give_up(tx, self.NAME, self._holder)


@dataclass(frozen=True, slots=True)
class Timetable:
    """What ticks need: the database, who leads, and what the installation chose."""

    db: Database
    leadership: Leadership
    settings: Settings
    signer: Signer
    keys: Keys
    # How far the round through the evidence got.
    rechecked: dict[str, UUID | None] = field(default_factory=dict)
    repeats: Repeats = field(default_factory=lambda: Repeats(log))

    async def lead(self) -> None:
        """Hold on to the lease, and tell what has failed of late."""
        self.repeats.tell()
        await self.leadership.renew()

    async def plan(self) -> None:
        """Make every plan that waits."""
        while await make_next_plan(self.db) is not None:
            pass

    async def nightly(self) -> None:
        """Queue the plans whose night has come."""
        async with self.db.begin() as tx:
            await self.leadership.fence(tx)
            await queue_nightly(tx, self.settings.nightly_hour)

    async def end_day(self) -> None:
        """Take the routes of past days off the manifests."""
        async with self.db.begin() as tx:
            await self.leadership.fence(tx)
            await close_day(tx)

    async def number_boards(self) -> None:
        """Number what changed on the depots' boards, so that the control rooms read it."""
        await number_boards(self.db, self.leadership.fence)

    async def clear_boards(self) -> None:
        """Take old routes off the boards, then drop the tombstones that nobody needs."""
        await clear_boards(self.db, self.leadership.fence)
        await drop_tombstones(self.db, self.leadership.fence)

    async def keep_months(self) -> None:
        """Make the months to come for positions, and drop those that are over."""
        await keep_months(self.db, self.leadership.fence)

    async def seal(self) -> None:
        """Put pending entries into the tree and sign it."""
        await seal(self.db, self.signer)

    async def judge_held(self) -> None:
        """Judge held mutations again whose stop or route has become their driver's."""
        await judge_held(self.db, self.keys)

    async def judge_learnt(self) -> None:
        """Judge held mutations again whose kind this release knows."""
        await judge_learnt(self.db, self.keys)

    async def ask_about_held(self) -> None:
        """Show a person what has been held for a day."""
        await ask_about_held(self.db)

    async def ask_about_replaced(self) -> None:
        """Ask about phones whose reinstall may have taken unsent events with it."""
        async with self.db.begin() as tx:
            await self.leadership.fence(tx)
            await ask_about_replaced(tx)

    async def chase_evidence(self) -> None:
        """Close proofs whose time for more evidence is over."""
        await settle_overdue(self.db)

    async def recheck_evidence(self) -> None:
        """Look whether the store still has what it should, a page at a time, round after round."""
        after = self.rechecked.get("evidence")
        self.rechecked["evidence"] = await recheck(self.db, open_blobs(self.settings), after)

    async def collect_evidence(self) -> None:
        """Delete month-old files that nothing names."""
        before = SystemClock().now() - STALE_UPLOAD
        await collect(self.db, open_blobs(self.settings), before)

    async def sweep_uploads(self) -> None:
        """Drop uploads that no phone has continued for a month."""
        async with self.db.begin() as tx:
            await self.leadership.fence(tx)
            before = moment(tx) - STALE_UPLOAD
            await evidence.forget_stale(tx, before)
        await open_staging(self.settings).sweep(before)

    async def forget_callers(self) -> None:
        """Drop sessions that are over, spent tokens and codes, and counted tries."""
        async with self.db.begin() as tx:
            await self.leadership.fence(tx)
            await people.forget_sessions(tx, moment(tx))
            await tries.forget(tx, moment(tx) - LONGEST_WINDOW)
            await devices.forget_tokens(tx, moment(tx))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the timetable: what, how often, and whether only the leader does it."""

    name: str
    every_s: float
    work: Callable[[Timetable], Awaitable[None]]
    leader_only: bool = True


LINES = (
    Line("lead", 2, Timetable.lead, leader_only=False),
    Line("plan", 1, Timetable.plan, leader_only=False),
    Line("nightly", 30, Timetable.nightly),
    Line("end day", 60, Timetable.end_day),
    Line("number boards", 0.3, Timetable.number_boards),
    Line("clear boards", 3600, Timetable.clear_boards),
    Line("keep months", 600, Timetable.keep_months),
    Line("seal", 1, Timetable.seal),
    Line("judge held", 5, Timetable.judge_held),
    Line("judge learnt", 600, Timetable.judge_learnt),
    Line("ask about held", 60, Timetable.ask_about_held),
    Line("ask about replaced", 600, Timetable.ask_about_replaced),
    Line("chase evidence", 15, Timetable.chase_evidence),
    Line("sweep uploads", 3600, Timetable.sweep_uploads),
    Line("recheck evidence", 600, Timetable.recheck_evidence),
    Line("collect evidence", 86_400, Timetable.collect_evidence),
    Line("forget callers", 600, Timetable.forget_callers),
)


async def run(settings: Settings, *, clock: Clock | None = None) -> None:
    """Keep the timetable until cancelled.

    Raises:
        ValueError: the settings name no database.
    """
    if settings.database_url is None:
        raise ValueError("no database: `doorstep up` brings one, or set DOORSTEP_DATABASE_URL")
    stand_guard()
    keys = load_keys(settings.data, log_name=settings.log_name)
    db = Database(settings.database_url, clock=clock)
    leadership = Leadership(db)
    timetable = Timetable(db, leadership, settings, signer_of(keys), keys)
    try:
        await _tick(timetable)
    finally:
        await _put_away(db, leadership)


async def _tick(timetable: Timetable) -> None:
    # A tick that comes while the last one still works is skipped on purpose, and not news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = AsyncIOScheduler(
        timezone=dt.UTC,
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    at_work: set[asyncio.Task[None]] = set()
    for line in LINES:
        work = _guarded(line, timetable, at_work)
        often = {"seconds": line.every_s, "next_run_time": SystemClock().now()}
        scheduler.add_job(work, "interval", name=line.name, **often)
    await timetable.lead()
    scheduler.start()
    try:
        await asyncio.Event().wait()
    finally:
        # Ticks that are cut off now would each be reported as a failure.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        scheduler.shutdown(wait=False)
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


def _guarded(
    line: Line, timetable: Timetable, at_work: set[asyncio.Task[None]]
) -> Callable[[], Awaitable[None]]:
    """Return the line's tick: one that fails is noted and comes again."""

    async def tick() -> None:
        if line.leader_only and not timetable.leadership.leads:
            return
        task = asyncio.ensure_future(_work(line, timetable))
        at_work.add(task)
        task.add_done_callback(at_work.discard)
        await asyncio.shield(task)

    return tick


async def _work(line: Line, timetable: Timetable) -> None:
    try:
        await line.work(timetable)
    except NotLeading:
        log.info("%s: another timetable leads", line.name)
    except Exception as error:  # noqa: BLE001 - logged there, and the line comes again
        timetable.repeats.note(error, line.name, shared=will_pass(error))


async def _put_away(db: Database, leadership: Leadership) -> None:
    try:
        async with asyncio.timeout(2):
            await leadership.resign()
    except Exception:
        log.info("the lease is left to run out", exc_info=True)
    finally:
        await db.close()
