"""The control room while the phones are out: it cancels, moves, plans anew and answers its inbox.

What it does, and after how many doors, is drawn from the seed; to which stop, is drawn from what is
open by then. What comes too late is refused, and that is an answer like any other.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import anyio
import httpx

from backend.cli.day.control_room import ConsoleRefused, ControlRoom, RouteItem, StopItem
from backend.cli.drill.notebook import Notebook

T = TypeVar("T")
_OPEN = frozenset({"released", "arrived"})
_TRIES = 200


class Meddling(StrEnum):
    """What a control room does to a day under way."""

    CANCEL = "cancelled"
    VOUCH = "vouched for"
    FAIL = "failed by hand"
    REASSIGN = "reassigned"
    RESEQUENCE = "resequenced"
    PIN = "pinned"
    REISSUE = "code reissued"
    REPLAN = "replanned"
    ANSWER = "inbox answered"


_WEIGHTS = {
    Meddling.CANCEL: 5,
    Meddling.VOUCH: 2,
    Meddling.FAIL: 2,
    Meddling.REASSIGN: 6,
    Meddling.RESEQUENCE: 3,
    Meddling.PIN: 2,
    Meddling.REISSUE: 3,
    Meddling.ANSWER: 3,
}
_OVERRIDES = {
    Meddling.CANCEL: {"to": "cancelled", "reason": "customer_cancelled"},
    Meddling.VOUCH: {"to": "delivered", "reason": "customer_confirmed", "proof": "waived"},
    Meddling.FAIL: {"to": "failed", "reason": "address_unreachable"},
}


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to do, once so many doors are behind all phones together."""

    after: int
    what: Meddling
    seed: str


def list_errands(seed: int, doors: int, share: float, replans: int) -> list[Errand]:
    """What the control room is going to do, in order."""
    dice = random.Random(f"{seed}/office")  # noqa: S311 - a story, not a secret
    whats = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=round(doors * share))
    whats += [Meddling.REPLAN] * replans
    errands = [
        Errand(dice.randrange(int(doors * 0.9) + 1), what, f"{seed}/errand {number}")
        for number, what in enumerate(whats)
    ]
    return sorted(errands, key=lambda errand: errand.after)


@dataclass(slots=True)
class Office:
    """Two supervisors of one depot on one day."""

    room: ControlRoom
    second: ControlRoom
    depot: str
    date: str
    notebook: Notebook
    more_orders: Callable[[], bytes]
    _latest: list[RouteItem] = field(default_factory=list)

    async def run(self, errands: list[Errand]) -> None:
        """Every errand when its time has come."""
        async with anyio.create_task_group() as group:
            for errand in errands:
                await self.notebook.reached(errand.after)
                if errand.what is Meddling.REPLAN:
                    group.start_soon(self._do, errand)  # planning takes its time
                else:
                    await self._do(errand)

    async def _do(self, errand: Errand) -> None:
        dice = random.Random(errand.seed)  # noqa: S311
        try:
            done = await self._meddle(errand, dice)
        except ConsoleRefused as refused:
            if refused.status >= 500:
                self.notebook.odd.append(f"the control room was told: {refused}")
            done = False
        if done:
            self.notebook.office[errand.what] += 1
        else:
            self.notebook.too_late += 1

    async def _meddle(self, errand: Errand, dice: random.Random) -> bool:
        """Whether there was anything to be done."""
        match errand.what:
            case Meddling.REPLAN:
                return await self._replan()
            case Meddling.ANSWER:
                return await self._answer(dice)
        routes = [route for route in await self._routes() if _open(route)]
        if not routes:
            return False
        route = dice.choice(routes)
        stop = dice.choice(_open(route))
        match errand.what:
            case Meddling.REASSIGN:
                other = dice.choice(routes)
                await patiently(lambda: self.room.reassign(stop.id, other.id))
            case Meddling.RESEQUENCE:
                order = [stop.id for stop in _open(route)]
                dice.shuffle(order)
                await patiently(lambda: self.room.resequence(route.id, order))
            case Meddling.PIN:
                await patiently(lambda: self.room.pin(stop.id))
            case Meddling.REISSUE:
                await patiently(lambda: self.room.reissue(stop.id))
            case _:
                await self._override(errand, stop)
        return True

    async def _override(self, errand: Errand, stop: StopItem) -> None:
        """A supervisor overrides; where the segment asks for a second person, she confirms."""
        members = {
            **_OVERRIDES[errand.what],
            "note": "The customer has just called the control room.",
            "idempotency_key": errand.seed,
        }
        asked = await patiently(lambda: self.room.override(stop.id, members))
        override_id = asked.id
        if asked.state == "awaiting_second" and override_id is not None:
            await patiently(lambda: self.second.confirm(override_id))

    async def _replan(self) -> bool:
        """Late orders come in, and the rest of the day is planned and released anew."""
        body = self.more_orders()
        await patiently(lambda: self.room.import_consignments(self.depot, body, date=self.date))
        plan = await patiently(lambda: self.room.plan(self.depot, self.date, 1))
        await patiently(lambda: self.room.release(plan.id))
        return True

    async def _answer(self, dice: random.Random) -> bool:
        items = await patiently(self.room.inbox)
        if not items:
            return False
        item = dice.choice(items)
        told = "Both sides have been told."
        for _ in range(2):  # answering twice is harmless
            await patiently(lambda: self.room.resolve(item.id, "acknowledged", told))
        return True

    async def _routes(self) -> list[RouteItem]:
        return await patiently(lambda: self.room.routes(self.date, self.depot))


def _open(route: RouteItem) -> list[StopItem]:
    if route.state not in {"released", "started"}:
        return []
    return [stop for stop in route.stops if stop.state in _OPEN]


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the server is away: every call of the console may be repeated."""
    for _ in range(_TRIES):
        try:
            return await call()
        except httpx.TransportError:
            await anyio.sleep(0.1)
        except ConsoleRefused as refused:
            if refused.status != 503:
                raise
            await anyio.sleep(0.1)
    return await call()
