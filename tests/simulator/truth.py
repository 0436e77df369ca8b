"""What a history knows to be true, and what it holds every reply against.

It stands outside: it saw what phones were told, whoever told it. A reply that contradicts what was
told before is a violation, and so is one that shows what nobody of that driver may see.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sync import cursor
from tests.simulator.phone import Json, Phone, Said

_MARK = re.compile(rb"mark-([0-9a-f]{12})")
_OUTCOMES = {"applied", "conflict", "recorded", "held", "rejected", "quarantined"}


Batch = list[Said | None]


class Violated(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Sent:
    """A sync call as it went out; ``revoked``: its device was revoked before.

    ``answered``: the server has taken in what it brings.
    """

    phone: Phone
    body: bytes
    batch: Batch
    cursor: str | None
    at: datetime
    revoked: bool = False
    answered: bool = False


@dataclass(slots=True)
class Acked:
    """A mutation that a phone was told the fate of."""

    device: str
    driver: str
    said: Said
    receipt: Json
    fresh: bool = False


@dataclass(slots=True)
class Truth:
    """What happened so far, seen from outside."""

    given: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    acked: dict[tuple[str, bytes], Acked] = field(default_factory=dict)
    told: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)
    last_acked: dict[str, int] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    secrets: set[bytes] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def may_see(self, driver: str, stop: str) -> None:
        """From now on this driver may have seen this stop."""
        self.given[stop[-12:]].add(driver)

    def new_life(self) -> None:
        """The server was restored: what phones were told counts once they are told it again."""
        self.told.clear()
        self.last_acked.clear()
        self.acked.clear()

    def hear(self, sent: Sent, raw: bytes, reply: Json) -> None:
        """Hold a reply against all that is known; the phone has not taken it in yet."""
        phone, batch = sent.phone, sent.batch
        self._receipts(phone, batch, reply)
        self._numbers(phone, batch, reply)
        self._scope(phone, raw, reply)
        if sent.revoked:
            self._nothing_for_the_revoked(reply)
        elif reply["cursor"] is not None:
            self._cursor(sent, reply)

    # --- I1, I3: receipts ----------------------------------------------------------------------

    def _receipts(self, phone: Phone, batch: Batch, reply: Json) -> None:
        receipts = reply["receipts"]
        if len(receipts) != len(batch):
            raise Violated(f"{len(receipts)} receipts for {len(batch)} mutations")
        for said, receipt in zip(batch, receipts, strict=True):
            if receipt["outcome"] not in _OUTCOMES:
                raise Violated(f"outcome {receipt['outcome']}")
            self._stop(receipt["stop"])
            if said is None:
                if receipt["outcome"] != "quarantined":
                    raise Violated(f"what has no number was {receipt['outcome']}")
                continue
            if (receipt["n"], receipt["id"]) != (said.n, said.id):
                raise Violated(f"receipt {receipt['n']} for mutation {said.n}")
            self._answer(phone, said, receipt)

    def _answer(self, phone: Phone, said: Said, receipt: Json) -> None:
        """I3: an answer never changes, but for what was held."""
        if receipt["outcome"] == "held" and receipt["code"] == "gap":
            return
        key = (phone.device, said.raw)
        known = self.acked.get(key)
        if known is None:
            self.outcomes[receipt["outcome"]] += 1
            first = Acked(phone.device, phone.driver, said, receipt, not receipt["duplicate"])
            self.acked[key] = first
            return
        if known.fresh and not receipt["duplicate"]:
            raise Violated(f"I2: mutation {said.n} of {phone.device[-4:]} was taken in twice")
        known.fresh |= not receipt["duplicate"]
        if known.receipt["outcome"] == "held":
            known.receipt = receipt
            return
        before, now = ({**one, "duplicate": None} for one in (known.receipt, receipt))
        if before != now:
            raise Violated(f"I3: the answer to {said.n} changed from {before} to {now}")

    def _stop(self, stop: Json | None) -> None:
        """One version of a stop has one state, whoever tells of it."""
        if stop is not None:
            self.one_state(stop["id"], stop["version"], stop["state"], stop["proof"])

    def one_state(self, id_: str, version: int, state: str, proof: str) -> None:
        """Hold a version's state against what was told of the same version before."""
        known = self.told.setdefault((id_, version), (state, proof))
        if known != (state, proof):
            told = f"was told as {known} and as {(state, proof)}"
            raise Violated(f"I19: version {version} of stop {id_[-4:]} {told}")

    # --- I3, I11: numbers ----------------------------------------------------------------------

    def _numbers(self, phone: Phone, batch: Batch, reply: Json) -> None:
        acked = reply["acked_n"]
        if acked < self.last_acked.get(phone.device, 0):
            raise Violated(f"I3: acked_n went from {self.last_acked[phone.device]} to {acked}")
        self.last_acked[phone.device] = acked
        if phone.device in self.revoked or reply["need_from"] is not None:
            return
        numbers = [said.n for said in batch if said is not None]
        if numbers and max(numbers) > acked:
            raise Violated(f"I11: {max(numbers)} was sent without a gap, acked_n is {acked}")

    # --- I8, I20: scope ------------------------------------------------------------------------

    def _scope(self, phone: Phone, raw: bytes, reply: Json) -> None:
        for mark in set(_MARK.findall(raw)):
            if phone.driver not in self.given[mark.decode()]:
                raise Violated(f"I8: driver {phone.driver[-4:]} was shown stop {mark.decode()}")
        for put in reply["puts"]:
            if put["type"] == "stop" and phone.driver not in self.given[put["id"][-12:]]:
                raise Violated(f"I8: driver {phone.driver[-4:]} was given stop {put['id']}")
        if any(secret in raw for secret in self.secrets):
            raise Violated("I8: a code was shown to a phone")

    @staticmethod
    def _nothing_for_the_revoked(reply: Json) -> None:
        if reply["puts"] or reply["removes"] or reply["cursor"] or reply["digest"]:
            raise Violated("I20: a revoked device was told something")

    # --- I5, I6, I21: what was pulled -----------------------------------------------------------

    def _cursor(self, sent: Sent, reply: Json) -> None:
        before, after = cursor.read(sent.cursor), cursor.read(reply["cursor"])
        if after is None:
            raise Violated("I5: the server does not know its own cursor")
        same_life = before is not None and before.mark == after.mark
        if before is not None and same_life and not reply["reset"] and before.v > after.v:
            raise Violated(f"I5: the cursor went from {before.v} to {after.v}")
        for put in reply["puts"]:
            if put["type"] == "stop":
                data = put["data"]
                self.one_state(put["id"], data["version"], data["state"], data["proof"])
        if not reply["more"]:
            self._read_your_writes(sent.phone, reply)

    @staticmethod
    def _read_your_writes(phone: Phone, reply: Json) -> None:
        """I21: what was acknowledged shows in the same reply."""
        shown = {
            put["id"]: put["data"]["version"] for put in reply["puts"] if put["type"] == "stop"
        }
        gone = {entity["id"] for entity in reply["removes"]}
        for receipt in reply["receipts"]:
            stop = receipt["stop"]
            if stop is None or stop["id"] in gone or receipt["duplicate"]:
                continue
            held = phone.version("stop", stop["id"]) or 0
            is_there = stop["id"] in shown or (held and not reply["reset"])
            if is_there and shown.get(stop["id"], held) < stop["version"]:
                raise Violated(f"I21: version {stop['version']} acknowledged, {held} shown")
