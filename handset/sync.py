"""One round trip pushes what happened and pulls what changed, until both sides agree.

Whatever is lost on the road, the next round starts from what the disk says: duplicates are fine,
gaps are offered again or declared lost, a new epoch gets everything once more, a wrong digest gets
a snapshot. A fork says that this phone is the copy of another: it has to be enrolled anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import anyio
import httpx
import msgspec

from handset.base import Base
from handset.clockwork import DeviceClock, Heard, rfc3339, stamp
from handset.disk import Disk
from handset.evidence import Shelf
from handset.faults import ProtocolFault, Refused
from handset.journal import BATCH_BYTES, BATCH_MUTATIONS, Journal, Kept
from handset.session import Session
from handset.transport import Headers, Road, refusal
from handset.wire import Json, Receipt, Reply, Warned

# Rounds without any progress after which the phone gives up until next time.
_PATIENCE_ROUNDS = 2


@dataclass(slots=True)
class SyncReport:
    """What one call of `sync` did."""

    rounds: int = 0
    acked: int = 0
    resets: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    settled: bool = False
    wiped: bool = False
    forked: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """Whether a round brought the two sides nearer, and whether another is needed."""

    progress: bool
    again: bool


class Syncer:
    """Talks `POST /sync`; one conversation at a time."""

    def __init__(
        self,
        disk: Disk,
        journal: Journal,
        base: Base,
        shelf: Shelf,
        session: Session,
        road: Road,
        clock: DeviceClock,
        app_version: str,
    ) -> None:
        self._disk = disk
        self._journal = journal
        self._base = base
        self._shelf = shelf
        self._session = session
        self._road = road
        self._clock = clock
        self._app_version = app_version
        self._talking = anyio.Lock()
        self._limit = BATCH_MUTATIONS
        self._max_bytes = BATCH_BYTES
        self.battery: float | None = None
        self._heard = Heard(clock)
        # Receipts by outcome since the phone was switched on, and how many of them were
        # duplicates or held for a gap; for whoever watches.
        self.tally: Counter[str] = Counter()

    async def sync(self) -> SyncReport:
        """Push and pull until nothing is left to say."""
        report = SyncReport()
        async with self._talking:
            idle = 0
            while idle < _PATIENCE_ROUNDS:
                step = await self._round(report)
                if not step.again:
                    report.settled = True
                    break
                idle = 0 if step.progress else idle + 1
        return report

    async def push(self, batch: Sequence[Kept]) -> SyncReport:
        """Send exactly these, pull nothing; for phones that misbehave on purpose."""
        report = SyncReport()
        async with self._talking:
            reply = await self._exchange(batch, pull=False)
            with self._disk.transaction():
                self._settle(batch, reply, report)
        return report

    async def _round(self, report: SyncReport) -> _Step:
        batch = self._journal.batch(self._limit, self._max_bytes)
        pull = self._journal.pending == len(batch)
        cursor = self._base.cursor
        report.rounds += 1
        try:
            reply = await self._exchange(batch, pull=pull)
        except Refused as refused:
            if refused.code != "batch_too_large" or len(batch) <= 1:
                raise
            # A stricter server than the contract: send less from now on.
            self._limit = len(batch) // 2
            return _Step(progress=True, again=True)
        with self._disk.transaction():
            step = self._take_in(batch, reply, report, pulled=pull)
        if reply.wipe == "after_flush" and self._journal.pending == 0:
            self._wipe()
            report.wiped = True
            return _Step(progress=True, again=False)
        moved = step.progress or self._base.cursor != cursor
        return _Step(moved, step.again or self._journal.pending > 0)

    def _take_in(
        self, batch: Sequence[Kept], reply: Reply, report: SyncReport, *, pulled: bool
    ) -> _Step:
        """Everything a reply means, in one local transaction."""
        acked = self._settle(batch, reply, report)
        self._journal.heed_acked(reply.acked_n)
        if self._heed_epoch(reply):
            return _Step(progress=True, again=True)
        mended = reply.need_from is not None and self._journal.heed_gap(
            reply.need_from, stamp(self._clock)
        )
        self._shelf.wanted(reply.evidence_wanted)
        if reply.upgrade is not None:
            self._disk.put("upgrade", bytes(reply.upgrade).decode())
        true_copy = not pulled or reply.wipe is not None or self._apply(reply, report)
        self._journal.prune(reply.server_time)
        return _Step(bool(acked) or mended, reply.more or not true_copy)

    def _apply(self, reply: Reply, report: SyncReport) -> bool:
        report.resets += reply.reset
        true_copy = self._base.apply(reply)
        if not reply.more:
            self._journal.mark_reflected()
        return true_copy

    def _settle(self, batch: Sequence[Kept], reply: Reply, report: SyncReport) -> int:
        if len(reply.receipts) != len(batch):
            raise ProtocolFault(f"{len(reply.receipts)} receipts for {len(batch)} mutations")
        acked = sum(
            self._journal.settle(kept, receipt, reply.acked_n, reply.server_time)
            for kept, receipt in zip(batch, reply.receipts, strict=True)
        )
        for receipt in reply.receipts:
            self.tally.update(_words(receipt))
        if any(receipt.forked for receipt in reply.receipts):
            report.forked = True
            self._session.must_enrol = True
        report.warnings = reply.warnings
        report.receipts.extend(reply.receipts)
        report.acked += acked
        return acked

    def _heed_epoch(self, reply: Reply) -> bool:
        """A restored server may have forgotten what it acknowledged: tell it everything again."""
        if reply.epoch == self._session.epoch:
            return False
        first_contact = self._session.epoch is None
        self._disk.put("epoch", reply.epoch)
        if first_contact:
            return False
        self._journal.resend_all()
        self._base.forget_cursor()
        return True

    async def _exchange(self, batch: Sequence[Kept], *, pull: bool) -> Reply:
        def envelope() -> tuple[bytes, Headers]:
            return self._road.packed(self._envelope(batch, pull=pull))

        # Made anew for each attempt: a clock that was read before the wait would date us wrongly.
        answer = await self._session.call("POST", "/sync", content=envelope)
        if answer.status_code != 200:
            raise refusal(answer)
        reply = _reply(answer)
        self.hear(reply.server_time)
        return reply

    def hear(self, server_time: str) -> None:
        """Note the server's time, to be echoed by the next call of this boot."""
        self._heard.note(server_time)

    def _envelope(self, batch: Sequence[Kept], *, pull: bool) -> bytes:
        """The request; mutations go in as the bytes that were frozen at capture."""
        client: dict[str, Json] = {
            "app_version": self._app_version,
            "wall": rfc3339(self._clock.wall()),
            "monotonic_ms": self._clock.monotonic_ms(),
            "boot": self._clock.boot,
            "pending": self._journal.pending,
            "oldest_pending_at": self._journal.oldest_pending_at,
        }
        if (heard := self._heard.echo()) is not None:
            client["heard"] = heard
        if self.battery is not None:
            client["battery"] = self.battery
        head = msgspec.json.encode({"cursor": self._base.cursor, "pull": pull, "client": client})
        return head[:-1] + b',"mutations":[' + b",".join(kept.envelope for kept in batch) + b"]}"

    def _wipe(self) -> None:
        self._shelf.wipe()
        self._disk.wipe()


def _reply(answer: httpx.Response) -> Reply:
    try:
        return msgspec.json.decode(answer.content, type=Reply)
    except msgspec.DecodeError as error:
        raise ProtocolFault(f"unreadable reply: {error}") from error


def _words(receipt: Receipt) -> Iterator[str]:
    yield receipt.outcome
    if receipt.duplicate:
        yield "duplicate"
    if receipt.held_for_gap:
        yield "held_for_gap"
