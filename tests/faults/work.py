"""What phones and supervisors do all day, whatever becomes of the server meanwhile."""

import io
import random
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import httpx
from PIL import Image

from handset import Fix, Handset, Photo, Unreachable
from handset.manifest import Stop
from tests.faults.worlds import PASSWORD

Over = Callable[[], bool]
_OPEN = ("released", "arrived")
# Who has so many photos to bring up takes no more for the moment.
_BACKLOG = 12


def pictures(dice: random.Random, most: int) -> Photo:
    """A picture that nobody took before: the difference lies in its comment segments."""
    filling = dice.randbytes(dice.randrange(16, most))
    parts = [filling[at : at + 60_000] for at in range(0, len(filling), 60_000)]
    comments = b"".join(b"\xff\xfe" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return Photo(_PLAIN[:2] + comments + _PLAIN[2:])


def _plain() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).save(out, "JPEG")
    return out.getvalue()


_PLAIN = _plain()


@dataclass
class Driver:
    """A driver who visits his stops one by one, and after that writes notes and adds photos."""

    phone: Handset
    dice: random.Random
    most_bytes: int = 100_000
    unreachable: int = 0
    _doors: list[str] = field(default_factory=list)

    async def work(self, over: Over) -> None:
        """Do something, tell it, bring up the photos; again and again."""
        while not over():
            self.act()
            await self.report()

    def act(self) -> None:
        """Visit the next stop that is open, or go on about one that was visited."""
        ready = [stop for stop in self.phone.stops() if stop.state in _OPEN]
        if ready and (len(self._doors) < 2 or self.dice.random() < 0.4):
            self._visit(ready[0])
        elif self._doors:
            self._go_on()

    async def report(self) -> None:
        """Sync and upload as far as the network goes."""
        try:
            await self.phone.sync()
            await self.phone.upload()
        except Unreachable:
            self.unreachable += 1
            await anyio.sleep(0.005)

    async def settle(self) -> None:
        """Go on until nothing is left on the phone."""
        for _ in range(100):
            with suppress(Unreachable):
                report = await self.phone.sync()
                await self.phone.upload()
                if report.settled and not (self.phone.pending or self.phone.unsent_photos):
                    return
        raise AssertionError(f"{self.phone.pending} acts do not leave the phone")

    def _visit(self, stop: Stop) -> None:
        self.phone.depart(stop.id)
        self.phone.arrive(stop.id, Fix(39.2930, -76.5866))
        if self.dice.random() < 0.1:
            act = self.phone.fail(stop.id, "not_home", photos=[self._photo()])
        else:
            who = ("A. Neighbour", "self")
            act = self.phone.deliver(stop.id, recipient=who, photos=[self._photo()])
        self._doors.append(act.id)

    def _go_on(self) -> None:
        act = self.dice.choice(self._doors)
        earlier = self.phone.journal.find(act)
        assert earlier is not None
        assert earlier.stop_id is not None
        for _ in range(self.dice.randrange(1, 4)):
            self.phone.note(earlier.stop_id, f"note {self.dice.random()}")
        if self.phone.unsent_photos < _BACKLOG and self.dice.random() < 0.5:
            self.phone.add_evidence(act, [self._photo()])

    def _photo(self) -> Photo:
        return pictures(self.dice, self.most_bytes)


@dataclass
class Supervisor:
    """Somebody in the office who overrides, moves and rearranges stops while they are visited."""

    url: str
    email: str
    dice: random.Random
    said: Counter[int] = field(default_factory=Counter)
    # Keys of overrides that were answered with yes, and of all that were asked for.
    granted: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    road: httpx.AsyncBaseTransport | None = None

    async def work(self, over: Over) -> None:
        """Edit again and again; what is not answered is asked again as it was."""
        async with self._client() as client:
            await self._sign_in(client)
            while not over():
                await self._edit(client, self.dice.randrange(4))
                await anyio.sleep(self.dice.uniform(0, 0.05))

    async def edit_once(self) -> None:
        """Make one edit of each kind."""
        async with self._client() as client:
            await self._sign_in(client)
            for kind in range(4):
                await self._edit(client, kind)

    def _client(self) -> httpx.AsyncClient:
        base = f"{self.url}/console/v1"
        return httpx.AsyncClient(base_url=base, timeout=10, transport=self.road)

    async def _sign_in(self, client: httpx.AsyncClient) -> None:
        asked = {"email": self.email, "password": PASSWORD}
        answer = await self._insist(client, "POST", "/sign-in", asked)
        client.cookies.clear()
        client.headers["authorization"] = f"Bearer {answer['token']}"

    async def _edit(self, client: httpx.AsyncClient, kind: int) -> None:
        routes = (await self._insist(client, "GET", "/routes"))["items"]
        route, other = self.dice.choice(routes), self.dice.choice(routes)
        if not route["stops"]:
            return
        stop = self.dice.choice(route["stops"])
        match kind:
            case 0:
                ids = [each["id"] for each in route["stops"]]
                self.dice.shuffle(ids)
                path = f"/routes/{route['id']}/resequence"
                await self._insist(client, "POST", path, {"stop_ids": ids})
            case 1:
                path = f"/stops/{stop['id']}/reassign"
                await self._insist(client, "POST", path, {"route_id": other["id"]})
            case 2:
                path = f"/stops/{stop['id']}/pin"
                asked = {"pinned": self.dice.random() < 0.5}
                await self._insist(client, "POST", path, asked)
            case _:
                await self._override(client, stop["id"])

    async def _override(self, client: httpx.AsyncClient, stop: str) -> None:
        key = f"{self.dice.getrandbits(64):x}"
        asked = {
            "to": self.dice.choice(["failed", "cancelled", "released", "delivered"]),
            "reason": "correction",
            "note": "asked for on the phone",
            "idempotency_key": key,
        }
        self.asked.add(key)
        answer = await self._insist(client, "POST", f"/stops/{stop}/override", asked)
        if "stop" in answer:
            self.granted.add(key)

    async def _insist(
        self, client: httpx.AsyncClient, method: str, path: str, body: object = None
    ) -> dict[str, list[dict[str, list[dict[str, str]]]]]:
        """Ask until there is an answer; a fault that passes is asked again, as its answer says."""
        while True:
            try:
                answer = await client.request(method, path, json=body)
            except httpx.TransportError:
                await anyio.sleep(0.01)
                continue
            self.said[answer.status_code] += 1
            if answer.status_code == 503 and "retry-after" in answer.headers:
                await anyio.sleep(0.02)
                continue
            if answer.status_code >= 500:
                self.strange.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            found: dict[str, list[dict[str, list[dict[str, str]]]]] = answer.json()
            return found
