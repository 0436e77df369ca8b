"""A simulated phone, written from the contract alone; it shares no code with the server.

What it has is what a phone would have on disk: a base, a queue, what was acknowledged, a cursor.
``copy`` is what a backup of it holds.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

Json = dict[str, Any]
Entity = tuple[str, str]


def rfc3339(moment: datetime) -> str:
    """Write a moment as the wire does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass(slots=True)
class Said:
    """A mutation as it lies in the journal: its bytes never change."""

    n: int
    id: str
    kind: str
    raw: bytes
    stop: str | None
    happened: datetime
    boot: str
    acked: bool = False


@dataclass(slots=True)
class Clocks:
    """A phone's clocks against the true time."""

    boot: str
    started: datetime
    wrong_by: timedelta = timedelta()

    def stamp(self, now: datetime) -> Json:
        """What the phone's clocks show."""
        ran = int((now - self.started) / timedelta(milliseconds=1))
        wall = rfc3339(now + self.wrong_by)
        return {"wall": wall, "monotonic_ms": ran, "boot": self.boot}


@dataclass(slots=True)
class Phone:
    """One installation of the app."""

    device: str
    driver: str
    clocks: Clocks
    last_n: int = 0
    journal: list[Said] = field(default_factory=list)
    base: dict[Entity, tuple[int, Json]] = field(default_factory=dict)
    cursor: str | None = None
    epoch: str | None = None
    forked: bool = False
    wiped: bool = False
    heard: tuple[str, Json] | None = None  # the boot, and our time as it arrived
    faults: list[str] = field(default_factory=list)

    # --- what the driver does ----------------------------------------------------------------

    def record(self, now: datetime, id_: str, kind: str, body: object, **frame: object) -> Said:
        """Number an act and keep it."""
        self.last_n += 1
        return self._keep(now, self.last_n, id_, kind, body, frame)

    def _keep(self, now: datetime, n: int, id_: str, kind: str, body: object, frame: Json) -> Said:
        made: Json = {"id": id_, "n": n, "kind": kind, "kind_version": 1}
        made |= {"at": self.clocks.stamp(now), "body": body, **frame}
        raw = json.dumps(made, separators=(",", ":")).encode()
        return self.keep(Said(n, id_, kind, raw, made.get("stop_id"), now, self.clocks.boot))

    def keep(self, said: Said) -> Said:
        """Put it into the journal."""
        self.journal.append(said)
        return said

    def version(self, type_: str, id_: str) -> int | None:
        """The version of an entity that the driver looks at."""
        held = self.base.get((type_, id_))
        return None if held is None else held[1]["version"]

    @property
    def stops(self) -> list[str]:
        """The stops on the manifest, as far as this phone knows it."""
        return sorted(id_ for type_, id_ in self.base if type_ == "stop")

    # --- the wire ----------------------------------------------------------------------------

    @property
    def pending(self) -> list[Said]:
        """What waits to be acknowledged, in order."""
        return sorted((said for said in self.journal if not said.acked), key=lambda said: said.n)

    def envelope(self, now: datetime, batch: Sequence[bytes], *, pull: bool = True) -> bytes:
        """Write a sync call; mutations go in as the bytes they were kept as."""
        client = {**self.clocks.stamp(now), "app_version": "1", "pending": len(self.pending)}
        if self.heard is not None and self.heard[0] == self.clocks.boot:
            client["heard"] = self.heard[1]
        head = json.dumps({"cursor": self.cursor, "pull": pull, "client": client}).encode()
        return head[:-1] + b',"mutations":[' + b",".join(batch) + b"]}"

    def take(self, reply: Json, batch: Sequence[Said | None], now: datetime, fresh_id: str) -> None:
        """Take a reply in, all of it or nothing: one local transaction."""
        showed = self.clocks.stamp(now)["monotonic_ms"]
        heard = {"server_time": reply["server_time"], "monotonic_ms": showed}
        self.heard = (self.clocks.boot, heard)
        for said, receipt in zip(batch, reply["receipts"], strict=True):
            if said is not None:
                self._settle(said, receipt, reply["acked_n"])
        if self._is_new_life(reply["epoch"]):
            return
        self.last_n = max(
            self.last_n, reply["acked_n"]
        )  # an older backup of this phone was put back
        if reply["need_from"] is not None:
            self._heed_gap(reply["need_from"], now, fresh_id)
        if reply["cursor"] is not None:
            self._apply(reply)
        if reply.get("wipe") == "after_flush" and not self.pending:
            self.wiped = True
            self.base.clear()

    def _settle(self, said: Said, receipt: Json, acked_n: int) -> None:
        waits = receipt["outcome"] == "held" and receipt["code"] == "gap"
        if receipt["code"] == "device_revoked" or (said.n <= acked_n and not waits):
            said.acked = True
        self.forked |= receipt["code"] == "fork"

    def _is_new_life(self, epoch: str) -> bool:
        """A restored server may have forgotten what it acknowledged: say everything again."""
        before, self.epoch = self.epoch, epoch
        if before in (None, epoch):
            return False
        self.cursor = None
        for said in self.journal:
            said.acked = False
        return True

    def _heed_gap(self, need_from: int, now: datetime, fresh_id: str) -> None:
        """Offer what is asked for again, or own up to having lost it."""
        numbers = sorted(said.n for said in self.journal)
        if need_from in numbers:
            for said in self.journal:
                if said.n >= need_from:
                    said.acked = False
            return
        until = next((n for n in numbers if n > need_from), self.last_n + 1) - 1
        self.last_n = max(self.last_n, until)
        body = {"from_n": need_from, "to_n": until}
        self._keep(now, need_from, fresh_id, "device.lost_events", body, {})

    def _apply(self, reply: Json) -> None:
        if reply["reset"]:
            self.base.clear()
        for put in reply["puts"]:
            self.base[put["type"], put["id"]] = (put["v"], put["data"])
        for gone in reply["removes"]:
            self.base.pop((gone["type"], gone["id"]), None)
        self.cursor = reply["cursor"]
        if reply["digest"] is not None and reply["digest"] != self.digest():
            self.faults.append(f"digest {reply['digest'][:8]} does not fit the base")
            self.cursor = None

    def digest(self) -> str:
        """Hash what is held (contract §2.2, rule 7)."""
        lines = sorted(f"{type_}:{id_}:{v}\n" for (type_, id_), (v, _) in self.base.items())
        return sha256("".join(lines).encode()).hexdigest()

    # --- what happens to it ------------------------------------------------------------------

    def copy(self) -> "Phone":
        """What a backup of the phone holds."""
        return copy.deepcopy(self)

    def reboot(self, now: datetime, boot: str) -> None:
        """Begin a new boot; what is on disk stays."""
        self.clocks = Clocks(boot, now, self.clocks.wrong_by)

    def begin_anew(self, device: str) -> None:
        """Count from one as another device, with all that was not acknowledged; ids stay."""
        mine = sorted(self.journal, key=lambda said: said.n)
        self.device, self.last_n, self.journal = device, 0, []
        self.cursor, self.forked = None, False
        self.base.clear()
        for said in mine:
            made = json.loads(said.raw)
            if made["kind"] == "device.lost_events":
                continue
            self.last_n += 1
            made["n"] = self.last_n
            raw = json.dumps(made, separators=(",", ":")).encode()
            self.journal.append(
                Said(self.last_n, said.id, said.kind, raw, said.stop, said.happened, said.boot)
            )

    def forget_everything(self, device: str) -> None:
        """Begin as another device with nothing at all: the app's storage was cleared."""
        self.journal.clear()
        self.begin_anew(device)
