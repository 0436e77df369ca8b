"""A phone made by hand: it numbers acts and sends exactly what a check tells it to."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from backend.cli.conformance.kit.verdict import NotTried, expect
from backend.cli.conformance.kit.wire import Answer, Json, Wire

SYNC = "/driver/v1/sync"
_BOOT = str(uuid4())


@dataclass(slots=True)
class Phone:
    """A device of the tried server."""

    wire: Wire
    credentials: Json
    n: int = 0
    used: set[str] = field(default_factory=set)

    @property
    def headers(self) -> dict[str, str]:
        """Who calls."""
        return {
            "Authorization": f"Bearer {self.credentials.get('access_token')}",
            "Content-Type": "application/json",
        }

    def act(self, kind: str, body: Json | None = None, **more: object) -> Json:
        """Number an act; members that are None are left out."""
        self.n += 1
        made: Json = {"id": str(uuid4()), "n": self.n, "kind": kind, "kind_version": 1}
        made |= {"at": clocks(), "body": body or {}, **more}
        return {name: value for name, value in made.items() if value is not None}

    def note(self, stop: str, text: str = "conformance", **more: object) -> Json:
        """Number an act that any stop takes at any time."""
        return self.act("stop.noted", {"text": text}, stop_id=stop, **more)

    def post(self, body: bytes | Json, **headers: str) -> Answer:
        """Call sync with bytes or an object."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.wire.ask("POST", SYNC, raw, {**self.headers, **named})

    def sync(self, *acts: object, cursor: object = None, pull: bool = True) -> Json:
        """Push and pull; the reply.

        Raises:
            Deviation: it is not 200.
        """
        said = {"cursor": cursor, "pull": pull, "client": clocks(), "mutations": list(acts)}
        return self._reply(self.post(said))

    def tell(self, *acts: object) -> list[Json]:
        """Push; the receipts."""
        receipts: list[Json] = self.sync(*acts, pull=False)["receipts"]
        expect(len(receipts) == len(acts), "one receipt for each act", receipts)
        return receipts

    def tell_raw(self, *acts: bytes) -> Json:
        """Push mutations as bytes; the reply."""
        return self._reply(self.post(b'{"pull": false, "mutations": [' + b",".join(acts) + b"]}"))

    def get(self, path: str) -> Answer:
        """Call another address as this phone."""
        return self.wire.ask("GET", path, headers=self.headers)

    def settle(self) -> None:
        """Go on where the server says that the numbers stand."""
        acked = self.sync(pull=False).get("acked_n")
        self.n = acked if isinstance(acked, int) else self.n

    def manifest(self) -> list[Json]:
        """The stops of a snapshot, in the order of the route; taken page by page if need be."""
        copy = Copy()
        reply = copy.take(self.sync())
        while reply.get("more"):
            reply = copy.take(self.sync(cursor=reply["cursor"]))
        return sorted(
            copy.of("stop"), key=lambda stop: (str(stop.get("route_id")), stop["sequence"])
        )

    def fresh_stop(self) -> Json:
        """A stop without a door that no check has touched and that is still ahead.

        Raises:
            NotTried: there is none left.
        """
        for stop in self.manifest():
            if stop.get("state") == "released" and stop["id"] not in self.used and not stop["door"]:
                self.used.add(stop["id"])
                return stop
        raise NotTried(
            "needs another released stop without a door: the round has too few; thirty"
            " in a segment without codes are enough"
        )

    def _reply(self, answer: Answer) -> Json:
        expect(answer.status == 200, "200", str(answer))
        return answer.json


@dataclass(slots=True)
class Copy:
    """What a phone holds, as the contract says that pulls are applied."""

    held: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)

    def take(self, reply: Json) -> Json:
        """Apply a pull; return it."""
        if reply.get("reset"):
            self.held.clear()
        for put in reply.get("puts", []):
            self.held[put["type"], put["id"]] = (put["v"], put["data"])
        for gone in reply.get("removes", []):
            self.held.pop((gone["type"], gone["id"]), None)
        return reply

    def of(self, kind: str) -> list[Json]:
        """The entities of a type."""
        return [data for (held, _), (_, data) in self.held.items() if held == kind]

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the sorted lines ``type:id:v``."""
        return digest([(kind, id_, v) for (kind, id_), (v, _) in self.held.items()])


def digest(held: Sequence[tuple[str, str, int]]) -> str:
    """Hex SHA-256 of the sorted lines ``type:id:v``."""
    lines = sorted(f"{kind}:{id_}:{v}\n" for kind, id_, v in held)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def clocks() -> Json:
    """A phone's clocks now."""
    wall = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"wall": wall, "monotonic_ms": time.monotonic_ns() // 10**6, "boot": _BOOT}
