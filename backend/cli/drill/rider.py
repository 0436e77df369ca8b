"""A driver whose day goes wrong: his phone dies, jumps, is lost, and he goes on.

He does at each door what a driver does, and reports while he is at the next one, so that acts are
captured while a conversation with the server is under way.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import anyio

from backend.cli.day.control_room import ControlRoom
from backend.cli.day.driver import Driver
from backend.cli.drill.door import OPEN, TWISTS, ahead, do_besides
from backend.cli.drill.fate import Extra, Fate, Mishap, Turn
from backend.cli.drill.notebook import Notebook
from backend.cli.drill.office import patiently
from backend.cli.drill.phone import AppKilled, Life, Phone
from handset import Handset, HandsetError, Refused, SignInLost, Unreachable
from handset.clockwork import rfc3339
from handset.faults import NotEnrolled
from handset.manifest import Stop
from handset.wire import Body

_STUBBORN = 60
_COPY_EVERY = 4


@dataclass(slots=True)
class Rider:
    """One driver, his phone and its fate."""

    driver_id: str
    driver: Driver
    phone: Phone
    fate: Fate
    room: ControlRoom
    notebook: Notebook
    doors: int
    report_every: int = 1
    _dice: random.Random = field(init=False)
    _copies: bool = field(init=False)
    _to_be_found: list[Life] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(f"{self.fate.odds.seed}/{self.fate.phone}/rider")  # noqa: S311
        soon = islice(self.fate.turns(), 2 * self.doors)
        self._copies = any(turn.mishap is Mishap.RESTORED for turn in soon)

    @property
    def handset(self) -> Handset:
        """The phone's app as it runs now."""
        return self.phone.handset

    # --- the parts of a day ----------------------------------------------------------------

    async def morning(self) -> None:
        """At the depot: enrolled, with a manifest, and on the way."""
        await self._enrol()
        await self._until(self._has_a_manifest)
        for route in self.handset.routes():
            if route.state == "released":
                self.handset.start_route(route.id, odometer_km=10_000.0 + self.fate.phone)
        await self._report()

    async def ride(self) -> None:
        """Door after door, until none is left."""
        for turn in islice(self.fate.turns(), 4 * self.doors + 40):
            await self._befall(turn)
            stop = self._next()
            if stop is None and not await self._comes_more():
                break
            await self._turn(turn, stop or self._next())
            await self.notebook.turn_done()
        self.notebook.out_now.discard(self.fate.phone)

    async def evening(self) -> None:
        """Late photos, the end of the route, and everything told."""
        await self._live(self._close_the_day)
        await self._until(self._is_settled)
        for life in self._to_be_found:
            await self._find(life)

    async def _find(self, life: Life) -> None:
        """A revoked phone is heard to the end, and then wiped."""
        self.notebook.mishaps[Mishap.FOUND] += 1
        found = self.phone.find(life)
        try:
            for _ in range(_STUBBORN):
                with suppress(Unreachable):
                    if (await found.sync()).wiped:
                        return
            self._strange("a phone that was revoked and found was never wiped")
        except HandsetError as error:
            self._strange(f"a phone that was found: {type(error).__name__}: {error}")
        finally:
            await found.close()

    # --- one turn --------------------------------------------------------------------------

    async def _turn(self, turn: Turn, stop: Stop | None) -> None:
        out = self.notebook.out_now
        if turn.in_reach:
            out.discard(self.fate.phone)
        else:
            self.notebook.turns_out_of_reach += 1
            out.add(self.fate.phone)
        if turn.mishap is Mishap.KILLED:
            self.phone.doom(turn.kill_at)
        if stop is not None:
            await self._live(partial(self._beside, turn, stop.id, set()))
        if self.phone.is_doomed:
            await self._switch_on(Mishap.KILLED)

    async def _beside(self, turn: Turn, stop_id: str, done: set[Extra]) -> None:
        """Report what was before, and be at the next door meanwhile."""
        async with anyio.create_task_group() as group:
            if turn.in_reach and turn.number % self.report_every == 0:
                group.start_soon(self._report)
                await anyio.sleep(self._dice.uniform(0, 0.03))
            self._at_the_door(turn, stop_id, done)

    def _at_the_door(self, turn: Turn, stop_id: str, done: set[Extra]) -> None:
        stop = self.handset.stop(stop_id)
        if stop is None or stop.state not in OPEN:
            return
        if turn.extra not in done:
            done.add(turn.extra)
            do_besides(self.handset, turn.extra, stop, self._dice)
        if turn.extra is Extra.SKIP and turn.number < self.doors // 2:
            return
        twist = TWISTS.get(turn.extra)
        self.driver.twists = {stop_id: twist} if twist else {}
        self.driver.visit(stop)

    def _next(self) -> Stop | None:
        return next(iter(ahead(self.handset)), None)

    async def _comes_more(self) -> bool:
        """Nothing left to do: ask whether the control room has more."""
        await self._live(self._report)
        return self._next() is not None

    # --- mishaps ---------------------------------------------------------------------------

    async def _befall(self, turn: Turn) -> None:
        if self._copies and turn.number % _COPY_EVERY == 1:
            await self.phone.copy()
            self.driver.handset = self.handset
        match turn.mishap:
            case Mishap.JUMPED:
                self.phone.clock.jump(turn.jump)
                self.notebook.mishaps[Mishap.JUMPED] += 1
            case Mishap.REBOOTED:
                self.phone.clock.reboot()
                await self._switch_on(Mishap.REBOOTED)
            case Mishap.REINSTALLED:
                await self._switch_on(Mishap.REINSTALLED)
                await self._enrol()
            case Mishap.LOST:
                await self._lose(is_found=turn.is_found)
            case Mishap.RESTORED if await self.phone.restore():
                self._has_another_phone(Mishap.RESTORED)
        if turn.extra is Extra.RENEW and turn.in_reach:
            await self._live(self._renew)

    async def _lose(self, *, is_found: bool) -> None:
        """The control room revokes what may turn up again."""
        device_id = self.handset.session.device_id
        await self.phone.replace()
        if is_found and device_id is not None:
            await patiently(lambda: self.room.revoke(device_id))
            self._to_be_found.append(self.phone.lives[-2])
        self._has_another_phone(Mishap.LOST)
        await self._enrol()
        await self._until(self._has_a_manifest)

    def _has_another_phone(self, mishap: Mishap) -> None:
        """Photos that he meant to add are gone with the acts they belonged to."""
        self.notebook.mishaps[mishap] += 1
        self.driver.handset = self.handset
        self.driver.later.clear()

    async def _switch_on(self, why: Mishap) -> None:
        self.notebook.mishaps[why] += 1
        await self.phone.switch_on()
        self.driver.handset = self.handset

    # --- reaching the server ---------------------------------------------------------------

    async def _live(self, part: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the day; where the app is killed in it, open the app and do it again."""
        for _ in range(_STUBBORN):
            killed = False
            try:
                await part()
            except* AppKilled:
                killed = True
            if not killed:
                return
            await self._switch_on(Mishap.KILLED)

    async def _until(self, done: Callable[[], Awaitable[bool]]) -> None:
        """Stand at the depot's door until it has worked."""
        for _ in range(_STUBBORN):
            if await done():
                return
        self._strange(f"{done.__name__} never came true")

    def _strange(self, what: str) -> None:
        self.notebook.odd.append(f"phone {self.fate.phone}: {what}")

    async def _has_a_manifest(self) -> bool:
        await self._report()
        return self.handset.base.cursor is not None

    async def _is_settled(self) -> bool:
        await self._report()
        return self.handset.pending == 0 and self.handset.unsent_photos == 0

    async def _report(self) -> None:
        """Tell the server, bring up what proves it, and where the van was."""
        await self._trying(self._sync)
        await self._trying(self.handset.upload)
        await self._trying(self._positions)

    async def _sync(self) -> None:
        report = await self.handset.sync()
        for receipt in report.receipts:
            self.notebook.receipts[receipt.outcome] += 1
            self.notebook.receipts["duplicate"] += receipt.duplicate
            self.notebook.receipts["gap"] += receipt.held_for_gap
        if report.forked:  # an old copy of this phone: it has to become a device of its own
            await self._enrol()

    async def _positions(self) -> None:
        at = rfc3339(self.phone.clock.wall())
        fix: Body = {"at": at, "lat": 39.29, "lon": -76.59, "accuracy_m": 9.0, "mock": False}
        self.notebook.positions += await self.handset.lanes.report([fix])

    async def _renew(self) -> None:
        await self._trying(self.handset.session.refresh)

    async def _trying(self, call: Callable[[], Awaitable[object]]) -> None:
        """Whatever the road does is nothing strange; what the server refuses may be."""
        try:
            await call()
        except Unreachable:
            return
        except (SignInLost, NotEnrolled):
            await self._enrol()
        except HandsetError as error:
            self._strange(f"{type(error).__name__}: {error}")

    async def _enrol(self) -> None:
        """With a code from the control room; a reply lost on the road costs a code."""
        for _ in range(_STUBBORN):
            code = await patiently(lambda: self.room.enrolment_code(self.driver_id))
            try:
                await self.handset.enrol(code)
            except Unreachable:
                await anyio.sleep(self._dice.uniform(0.02, 0.4))
                continue
            except Refused as refused:
                self._strange(f"enrolment: {refused}")
                continue
            return

    async def _close_the_day(self) -> None:
        for mutation_id, late in self.driver.later:
            with suppress(HandsetError):  # a copy of the phone came back from before that act
                self.handset.add_evidence(mutation_id, [late])
        self.driver.later.clear()
        for route in self.handset.routes():
            if route.state != "finished":
                self.handset.finish_route(route.id, odometer_km=10_060.0 + self.fate.phone)
