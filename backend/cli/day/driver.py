"""A driver with a handset: he follows his list, proves what the stop asks, and is online or not.

What happens at a door is drawn from his own dice; twists are what a story wants to happen there.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypedDict

from backend.cli.day.customers import Door
from backend.cli.day.pictures import photo, signature
from handset import Fix, Handset, Photo, Strokes, Unreachable
from handset.manifest import Stop
from handset.wire import Body, Json

FAILED_SHARE = 0.06
_STUBBORN = 20


class Twist(StrEnum):
    """Something unusual at one stop."""

    LATE_PHOTO = "late_photo"  # delivered without; the photo is added in the evening
    PHOTO_NEVER_SENT = "photo_never_sent"  # named, but the phone never gets round to upload it
    NO_PROOF = "no_proof"  # delivered with nothing at all
    WRONG_CODE = "wrong_code"  # a wrong code at the door, the right one afterwards
    BY_QR = "by_qr"
    CORRECTED = "corrected"  # first a failure, then mended into a delivery
    MALFORMED = "malformed"  # a buggy app first sends nonsense
    FAILED = "failed"
    PLAIN = "plain"  # nothing unusual, and no bad luck either


class _Proof(TypedDict, total=False):
    photos: list[Photo]
    signature: Strokes
    code: str
    door_token: str
    recipient: tuple[str, str]
    note: str


@dataclass(slots=True)
class Driver:
    """One person, one phone, one day."""

    name: str
    handset: Handset
    seed: int
    offline: bool = False
    sync_every: int = 4
    # A driver in a hurry says less: no departures, and no photo where none is asked for.
    hurried: bool = False
    doors: Mapping[str, Door] = field(default_factory=dict)
    twists: Mapping[str, Twist] = field(default_factory=dict)
    visited: int = 0
    # Photos taken but kept back: (the mutation that should have had them, the photo).
    later: list[tuple[str, Photo]] = field(default_factory=list)
    never_sent: set[str] = field(default_factory=set)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - a story, not a secret

    async def morning(self) -> None:
        """At the depot, with a network: the manifest, the load, the start."""
        await self._insist(self.handset.sync)
        for route in self.handset.routes():
            self.handset.start_route(route.id, odometer_km=10_000 + self.seed)
        await self._insist(self.handset.sync)

    async def drive(self) -> None:
        """Every stop in order; an offline driver says nothing until evening."""
        if not self.offline:
            await self._in_passing()
        for stop_id in [stop.id for stop in self.handset.stops()]:
            stop = self.handset.stop(stop_id)
            if stop is None or stop.state not in {"released", "arrived"}:
                continue
            self.visit(stop)
            if not self.offline and self.visited % self.sync_every == 0:
                await self._in_passing()

    async def _in_passing(self) -> None:
        """Report if the network allows; if not, the next door is as good a place."""
        with suppress(Unreachable):
            await self._report()

    async def _report(self) -> None:
        """Tell the server, then bring up what proves it."""
        await self.handset.sync()
        await self.handset.upload(skip=self.never_sent)

    async def _insist(self, call: Callable[[], Awaitable[object]]) -> None:
        """Stand at the depot's door until it has worked."""
        for _ in range(_STUBBORN - 1):
            try:
                await call()
            except Unreachable:
                continue
            return
        await call()

    async def evening(self) -> None:
        """Back at the depot: late photos, the end of the route, everything told."""
        for mutation_id, late in self.later:
            self.handset.add_evidence(mutation_id, [late])
        self.later.clear()
        for route in self.handset.routes():
            self.handset.finish_route(route.id, odometer_km=10_060 + self.seed)
        await self._insist(self._report)
        await self._insist(self.handset.sync)

    def visit(self, stop: Stop) -> None:
        """One door."""
        self.visited += 1
        twist = self.twists.get(stop.id)
        fix = self._fix(stop)
        if stop.state != "arrived":
            if not self.hurried:
                self.handset.depart(stop.id)
            self.handset.arrive(stop.id, fix)
        if twist is Twist.MALFORMED:
            self.handset.record("stop.delivered", {"method": "teleported"}, stop_id=stop.id)
        if twist is Twist.FAILED or (twist is None and self._dice.random() < FAILED_SHARE):
            self._fail(stop, fix)
        elif twist is Twist.CORRECTED:
            self._mend(stop, fix)
        else:
            self._deliver(stop, fix, twist)

    def _fail(self, stop: Stop, fix: Fix | None) -> None:
        reason = self._dice.choice(["not_home", "refused", "access"])
        note = "rang twice, nobody opened" if reason == "not_home" else "refused at the door"
        photos = [] if self.hurried else [self._photo()]
        self.handset.fail(stop.id, reason, note=note, photos=photos, fix=fix)

    def _mend(self, stop: Stop, fix: Fix | None) -> None:
        """He tapped the wrong button, and says so at once."""
        slip = self.handset.fail(stop.id, "not_home", photos=[self._photo()], fix=fix)
        parcels: list[Json] = [
            {"parcel_id": parcel.id, "outcome": "delivered"} for parcel in stop.parcels
        ]
        body: Body = {
            "method": "handed_over",
            "recipient": {"name": "A. Neighbour", "relation": "self"},
            "parcels": parcels,
            "signature": signature(self._dice.randrange(1 << 30)).body(),
        }
        self.handset.correct(slip.id, "tapped the wrong button", "stop.delivered", body)

    def _deliver(self, stop: Stop, fix: Fix | None, twist: Twist | None) -> None:
        method = self._method(stop)
        proof = _Proof() if twist is Twist.NO_PROOF else self._proof(stop, method, twist)
        late = proof.pop("photos", []) if twist is Twist.LATE_PHOTO else []
        if twist is Twist.WRONG_CODE:
            self.handset.present_code(stop.id, code="not six digits")
        if twist is Twist.PHOTO_NEVER_SENT:
            self.never_sent.update(picture.sha256 for picture in proof.get("photos", []))
        act = self.handset.deliver(stop.id, method, fix=fix, **proof)
        self.later.extend((act.id, picture) for picture in late)

    def _method(self, stop: Stop) -> str:
        if stop.segment == "business":
            return "reception"
        if stop.id in self.doors or stop.segment == "premium":
            return "handed_over"
        return self._dice.choice(["handed_over", "handed_over", "safe_place", "neighbour"])

    def _proof(self, stop: Stop, method: str, twist: Twist | None) -> _Proof:
        """What the stop's rules ask for, as the app would have told him."""
        proof = _Proof(recipient=("R. Receiver", "self"))
        door = self.doors.get(stop.id)
        if door is not None and twist is not Twist.LATE_PHOTO:
            return self._at_the_door(stop, door, proof, twist)
        asked: dict[str, int] = {}
        for lack in self.handset.preflight(stop.id, "delivered", method=method, name=True):
            asked |= self._means(lack.any_of, lack.need)
        if photos := asked.get("photo", 0) or (twist in _PICTURED):
            proof["photos"] = [self._photo() for _ in range(int(photos))]
        if "signature" in asked:
            proof["signature"] = signature(self._dice.randrange(1 << 30))
        if "note" in asked:
            proof["note"] = "left behind the blue gate"
        return proof

    def _at_the_door(self, stop: Stop, door: Door, proof: _Proof, twist: Twist | None) -> _Proof:
        """The customer shows a QR, which the phone checks by itself, or says six digits."""
        by_qr = twist is Twist.BY_QR or self._dice.random() < 0.5
        if by_qr and self.handset.verify_door(stop.id, door.qr):
            proof["door_token"] = door.qr
        else:
            proof["code"] = door.code
        return proof

    def _means(self, any_of: tuple[str, ...], need: int) -> dict[str, int]:
        """The easiest of the alternatives; without code or QR, everything that stands in for it."""
        if "code" in any_of or "door_token" in any_of:
            return {"photo": 1, "signature": 1}
        if self.hurried and "signature" in any_of:
            return {"signature": 1}
        return {any_of[self._dice.randrange(len(any_of))]: need}

    def _photo(self) -> Photo:
        return photo(self._dice.randrange(1 << 30))

    def _fix(self, stop: Stop) -> Fix | None:
        if stop.place is None or stop.place.lat is None or stop.place.lon is None:
            return None
        # About ten metres of scatter, as a receiver between houses has.
        scatter = self._dice.uniform(-1e-4, 1e-4)
        return Fix(round(stop.place.lat + scatter, 6), round(stop.place.lon - scatter, 6))


_PICTURED = frozenset({Twist.LATE_PHOTO, Twist.PHOTO_NEVER_SENT})
