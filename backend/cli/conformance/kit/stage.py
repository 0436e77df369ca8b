"""What the strict server plays with an app: trouble, scene by scene, and what must follow.

It takes acts in as the contract says, and remembers every byte of them, so that it can tell whether
a phone keeps its word when a reply is lost, a number is missing or the server forgets everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID, uuid4

import rfc8785

from backend.cli.conformance.kit.phone import clocks, digest
from backend.cli.conformance.kit.verdict import Result, Verdict
from backend.cli.conformance.kit.wire import Json

Reply: TypeAlias = "tuple[int, Json] | None"  # None: hang up without a word
MOST, MOST_BYTES = 200, 256 * 1024
KINDS = frozenset(
    {
        "route.started", "route.finished", "stop.departed", "stop.arrived", "stop.delivered",
        "stop.failed", "evidence.added", "code.presented", "parcel.scanned", "stop.noted",
        "stop.corrected", "stop.skipped", "route.resequenced", "device.lost_events",
    }
)  # fmt: skip
RULES = {
    "C.1": "acts are numbered 1, 2, 3 … and sent in order",
    "C.2": "the same n always has the same id and content",
    "C.3": "ids are UUIDs, and none comes twice",
    "C.4": "a request holds at most 200 acts and 256 KiB",
    "C.5": "kinds are those of the contract; those of stops name a stop",
    "C.6": "the first sync asks for a snapshot",
    "C.7": "when a reply is lost, the same acts are sent again",
    "C.8": "after 503 the same acts are sent again",
    "C.9": "an expired token is exchanged; a lost reply to that is asked for with the same nonce",
    "C.10": "after a gap, acts are sent again from need_from",
    "C.11": "more: true is followed by a call with the new cursor",
    "C.12": "a wrong digest is followed by a call for a snapshot",
    "C.13": "a new epoch is followed by a snapshot, and by all acts with their old n and id",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A sync call."""

    token: str
    cursor: object
    acts: list[Json]
    size: int


@dataclass(slots=True)
class Stage:
    """The play: what was taken in, which scene it is, what the app owes."""

    code: str
    scenes: "Sequence[Callable[[Stage, Said], Reply]]"
    kept: dict[int, bytes] = field(default_factory=dict)
    before: dict[int, bytes] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    acked: int = 0
    v: int = 1
    epoch: str = field(default_factory=lambda: str(uuid4()))
    verdicts: dict[str, Result] = field(default_factory=dict)
    access: str = field(default_factory=lambda: uuid4().hex)
    refresh: str = field(default_factory=lambda: uuid4().hex)
    nonce: str | None = None
    device: str = field(default_factory=lambda: str(uuid4()))
    stops: list[str] = field(default_factory=lambda: [str(uuid4()) for _ in range(6)])
    route: str = field(default_factory=lambda: str(uuid4()))
    owed: "tuple[str, Callable[[Said], str | None]] | None" = None
    scene: int = 0

    @property
    def is_over(self) -> bool:
        """Whether every scene was played and answered."""
        return self.scene >= len(self.scenes) and self.owed is None

    def results(self) -> list[Result]:
        """One line for each rule."""
        return [
            self.verdicts.get(number) or Result(number, rule, Verdict.SKIPPED, came="not reached")
            for number, rule in RULES.items()
        ]

    def enrol(self, said: Json) -> Reply:
        """Take the one code there is."""
        if said.get("code") != self.code:
            return problem(401, "enrolment_code_invalid")
        return 201, self._tokens()

    def exchange(self, said: Json) -> Reply:
        """Exchange tokens; lose the first reply."""
        nonce = said.get("nonce")
        if said.get("refresh_token") != self.refresh or not isinstance(nonce, str):
            self._fail("C.9", "the current refresh token with a nonce", said)
            return problem(401, "refresh_invalid")
        if self.nonce is None:
            self.nonce = nonce
            return None
        if nonce != self.nonce:
            self._fail("C.9", f"the nonce {self.nonce} again", nonce)
        self._pass("C.9")
        self.access, self.refresh, self.nonce = uuid4().hex, uuid4().hex, None
        return 200, self._tokens()

    def sync(self, said: Said) -> Reply:
        """Judge a call, then play the next scene, or answer as usual."""
        self._judge(said)
        if said.token != self.access:
            return problem(401, "token_expired")
        if self.owed is not None:
            number, debt = self.owed
            why = debt(said)
            if why is None:
                self._pass(number)
                self.owed = None
            elif why:
                self._fail(number, RULES[number], why)
                self.owed = None
        if self.owed is None and self.scene < len(self.scenes):
            played = self.scenes[self.scene](self, said)
            if played is not NOT_YET:
                self.scene += 1
                return played
        return 200, self._answer(said)

    # --- what always holds -----------------------------------------------------------------

    def _judge(self, said: Said) -> None:
        within = len(said.acts) <= MOST and said.size <= MOST_BYTES
        self.hold("C.4", within, f"{len(said.acts)} acts, {said.size} bytes")
        expected = self.acked + 1
        for act in said.acts:
            n = act.get("n")
            if not isinstance(n, int) or isinstance(n, bool) or n < 1:
                self.hold("C.1", False, act)
                continue
            self.hold("C.1", n <= expected, f"n = {n} where {expected} is next")
            expected = max(expected, n + 1)
            self._judge_content(n, act)

    def _judge_content(self, n: int, act: Json) -> None:
        content = rfc8785.dumps(act)
        known = self.kept.get(n) or self.before.get(n)
        self.hold("C.2", known in (None, content), f"n = {n}: {act}")
        id_ = str(act.get("id"))
        self.hold("C.3", is_uuid(id_) and self.ids.setdefault(id_, n) == n, f"id {id_} at {n}")
        kind = str(act.get("kind"))
        named = "stop_id" in act or not kind.startswith("stop.")
        self.hold("C.5", kind in KINDS and named, act)

    def hold(self, number: str, truth: object, came: object) -> None:
        """Note whether a rule was kept this time."""
        if truth:
            self._pass(number)
        else:
            self._fail(number, RULES[number], came)

    def _pass(self, number: str) -> None:
        self.verdicts.setdefault(number, Result(number, RULES[number], Verdict.PASSED))

    def _fail(self, number: str, expected: str, came: object) -> None:
        found = Result(number, RULES[number], Verdict.FAILED, "", expected, str(came)[:500])
        if number not in self.verdicts or self.verdicts[number].verdict is Verdict.PASSED:
            self.verdicts[number] = found

    # --- answering -------------------------------------------------------------------------

    def take(self, act: Json) -> Json:
        """Take an act in; its receipt."""
        n = act["n"]
        told = {"n": n, "id": act.get("id"), "outcome": "applied", "duplicate": n <= self.acked}
        told |= {"code": None, "detail": None, "stop": None, "findings": [], "entry": "00" * 32}
        if n > self.acked + 1:
            return {**told, "outcome": "held", "code": "gap", "entry": None}
        if n == self.acked + 1:
            self.kept[n], self.acked = rfc8785.dumps(act), n
            if act.get("kind") == "device.lost_events":
                self.acked = max(n, int(act.get("body", {}).get("to_n", n)))
        return told

    def _answer(self, said: Said) -> Json:
        acts = [act for act in said.acts if isinstance(act.get("n"), int)]
        receipts = [self.take(act) for act in acts]
        gap = any(receipt["code"] == "gap" for receipt in receipts)
        need = self.acked + 1 if gap else None
        return self.reply(receipts, said, need_from=need)

    def reply(self, receipts: list[Json], said: Said, **more: object) -> Json:
        """A whole reply: a snapshot, or nothing new."""
        fresh = said.cursor != f"{self.epoch}/{self.v}"
        entities = self.entities()
        held = [(put["type"], put["id"], put["v"]) for put in entities]
        told: Json = {"server_time": clocks()["wall"], "epoch": self.epoch, "acked_n": self.acked}
        told |= {"need_from": None, "receipts": receipts, "cursor": f"{self.epoch}/{self.v}"}
        told |= {"reset": fresh, "more": False, "puts": entities if fresh else [], "removes": []}
        return {**told, "digest": digest(held), "upgrade": None, "evidence_wanted": [], **more}

    def entities(self) -> list[Json]:
        """The scope: a route and its stops."""
        route = {"id": self.route, "version": 1, "state": "released", "stop_ids": self.stops}
        made: list[Json] = [{"type": "route", "id": self.route, "v": self.v, "data": route}]
        for place, id_ in enumerate(self.stops, 1):
            stop = {"id": id_, "route_id": self.route, "sequence": place, "version": 1}
            stop |= {"state": "released", "proof": "none", "parcels": [], "door": None}
            made.append({"type": "stop", "id": id_, "v": self.v, "data": stop})
        return made

    def _tokens(self) -> Json:
        told = {"device_id": self.device, "driver_id": self.device, "epoch": self.epoch}
        now = str(clocks()["wall"])
        told |= {"access_token": self.access, "refresh_token": self.refresh, "server_time": now}
        return {**told, "access_expires_at": f"{int(now[:4]) + 1}{now[4:]}"}


NOT_YET: Reply = (0, {})


def problem(status: int, code: str) -> Reply:
    """A problem document."""
    told = {"type": f"urn:strict:{code}", "title": code, "status": status, "code": code}
    return status, {**told, "detail": "", "request_id": str(uuid4())}


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in its usual form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
