"""One history: a depot, its phones, and what became of them, all from one seed."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from litestar import Litestar

from tests.simulator.depot import Depots
from tests.simulator.dice import Dice, Ids
from tests.simulator.ground import SUPERVISORS, Ground
from tests.simulator.line import Answer, call
from tests.simulator.phone import Clocks, Json, Phone, Said
from tests.simulator.points import Request, died, serving
from tests.simulator.truth import Batch, Sent, Truth, Violated

_SYNC = "/driver/v1/sync"


@dataclass(slots=True)
class History:
    """What there is, what happened, and what is known to be true of it."""

    seed: int | str
    ground: Ground
    dice: Dice
    ids: Ids
    depots: Depots
    truth: Truth = field(default_factory=Truth)
    phones: list[Phone] = field(default_factory=list)
    backups: list[Phone] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    devices: list[tuple[str, str]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    issues: dict[UUID, int] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    uploaded: set[tuple[str, str]] = field(default_factory=set)
    boots: int = 0

    # --- time and words ------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The true time."""
        return self.ground.clock.now()

    def tell(self, what: str) -> None:
        """Write down what happens."""
        self.log.append(f"{self.now:%d. %H:%M:%S}  {what}")

    def name(self, phone: Phone) -> str:
        """Name a phone in the story."""
        drivers = [str(crew.driver) for crew in self.depots.everybody]
        who = "ABN"[drivers.index(phone.driver)]
        return f"{who}-{phone.device[-4:]}"

    # --- phones --------------------------------------------------------------------------------

    def switch_on(self, device: str, driver: str) -> Phone:
        """Add a phone."""
        self.boots += 1
        self.devices.append((device, driver))
        phone = Phone(device, driver, Clocks(f"boot-{self.boots}", self.now))
        self.phones.append(phone)
        return phone

    @property
    def every_stop(self) -> list[str]:
        """Every stop of the world, the neighbour's too."""
        everything = (*self.depots.visits, *self.depots.published)
        return [str(visit.stop) for visit in everything]

    def a_file(self) -> tuple[str, int]:
        """Draw a signature that a phone holds as a file; return its hash and size."""
        strokes = [[[self.dice.number(0, 400), k, 40 * k] for k in range(0, 300, 10)]]
        content = json.dumps({"strokes": strokes}).encode()
        hashed = sha256(content).hexdigest()
        self.files[hashed] = content
        return hashed, len(content)

    def new_boot(self) -> str:
        """Name a boot."""
        self.boots += 1
        return f"boot-{self.boots}"

    def fresh_id(self) -> str:
        """Make an id for a mutation."""
        return str(self.ids.new())

    @property
    def live(self) -> list[Phone]:
        """The phones that still speak."""
        return [phone for phone in self.phones if not phone.wiped]

    @property
    def spoke(self) -> list[Phone]:
        """The phones that ever had an answer; the others have nothing to show."""
        return [phone for phone in self.live if phone.epoch is not None]

    # --- the server ----------------------------------------------------------------------------

    def app(self) -> Litestar:
        """One of the server's processes."""
        return self.dice.pick(self.ground.apps)

    def token(self, phone: Phone) -> str:
        """What a phone calls with."""
        return self.ground.token(UUID(phone.device))

    async def serve(self, request: Request, work: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Let the server serve a request; None if it died of it."""
        before = serving.set(request)
        try:
            answer = await work()
        except BaseException as error:
            if not died(error):
                raise
            self.tally[f"kill {request.killed}"] += 1
            self.tell(f"    the server died at point {request.points}: {request.killed}")
            self.ground.forget()
            return None
        finally:
            serving.reset(before)
            await request.end()
        self.tally["database faults"] += request.failed
        if request.dies_after:
            self.tally["kill after the reply"] += 1
        return answer

    async def office(
        self, method: str, path: str, body: bytes, request: Request, who: int = 0
    ) -> Answer | None:
        """Call the console's API as a supervisor."""
        app = self.app()
        answer = await self.serve(request, lambda: call(app, method, path, SUPERVISORS[who], body))
        if answer is not None and answer.status >= 500 and answer.status != 503:
            raise Violated(f"{path} was answered {answer.status}: {answer.body[:300]!r}")
        return answer

    # --- sync ----------------------------------------------------------------------------------

    def write(
        self, phone: Phone, batch: Sequence[Said], *, pull: bool = True, beside: bytes = b""
    ) -> Sent:
        """Write a sync call; ``beside`` is an element that has no number."""
        raws = [said.raw for said in batch]
        whole: Batch = list(batch)
        if beside:
            place = self.dice.number(0, len(raws))
            raws.insert(place, beside)
            whole.insert(place, None)
        body = phone.envelope(self.now, raws, pull=pull)
        return Sent(phone, body, whole, phone.cursor, self.now)

    async def deliver(
        self, sent: Sent, request: Request | None = None, *, breaks_off: bool = False
    ) -> Answer | None:
        """Bring a sync call to the server; None if no reply came back."""
        app, token = self.app(), self.token(sent.phone)
        body = sent.body[: len(sent.body) // 2] if breaks_off else sent.body
        sent.revoked = sent.phone.device in self.truth.revoked
        self.sent.append(sent)
        return await self.serve(
            request or Request(),
            lambda: call(app, "POST", _SYNC, token, body, breaks_off=breaks_off),
        )

    def hear(self, sent: Sent, answer: Answer | None, *, takes: bool = True) -> Json | None:
        """Let a phone hear a reply, and the truth with it; ``takes``: the phone keeps it."""
        if answer is None:
            return None
        if answer.status == 503:
            self.tally["answered 503"] += 1
            return None
        if answer.status == 401:
            self.tell(f"{self.name(sent.phone)} is not known any more")
            sent.phone.forked = True
            return None
        if answer.status != 200:
            raise Violated(f"sync was answered {answer.status}: {answer.body[:300]!r}")
        sent.answered = True
        reply = answer.json
        self.truth.hear(sent, answer.body, reply)
        if takes:
            sent.phone.take(reply, sent.batch, self.now, self.fresh_id())
            if sent.phone.faults:
                raise Violated(f"I6: {sent.phone.faults[0]} of {self.name(sent.phone)}")
        return reply

    async def sync(self, phone: Phone, request: Request | None = None) -> Json | None:
        """Push what waits and pull, without any fault on the road."""
        sent = self.write(phone, phone.pending)
        return self.hear(sent, await self.deliver(sent, request))

    def pass_time(self, most_s: int = 600) -> None:
        """Let some time pass."""
        self.ground.clock.advance(seconds=self.dice.number(1, most_s))

    def jump(self, phone: Phone) -> None:
        """Set a phone's wall clock wrong by anything up to years."""
        phone.clocks.wrong_by += timedelta(
            seconds=self.dice.pick((-1, 1)) * 10 ** self.dice.number(0, 8)
        )
