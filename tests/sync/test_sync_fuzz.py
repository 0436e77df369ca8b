"""Bad input: every field of every kind and of the envelope, spoiled, between two good neighbours.

``make test`` tries a seeded sample of the values in every field, ``make soak`` all of them.
"""

import gzip
import hashlib
import json
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import zstandard
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlmodel import col

from backend.identity import access
from backend.keys import Keys, load_keys
from backend.store.database import Database
from backend.tables.mutations import Mutation
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.visits import Round, a_round
from tests.sync.spoiled import VALUES, fields, spoilt, twice, whole

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
SEED = 20261120
SAMPLED = 1
# A request holds 200 mutations and 256 KiB; a spoiled one may be 12 KB long.
MOST_BYTES = 200_000
MOST_SPOILT = 95
FINAL = {"applied", "conflict", "recorded", "held", "rejected", "quarantined"}
MEMORY_MB = 64


@dataclass
class Phone:
    """A phone whose bytes are made by hand."""

    client: AsyncTestClient[Litestar]
    token: str
    round: Round
    n: int = 0

    def good(self) -> bytes:
        """A mutation that nothing is wrong with."""
        self.n += 1
        said = {"id": str(uuid4()), "n": self.n, "kind": "stop.noted"}
        stop = str(self.round.stops["economy"])
        return json.dumps({**said, "stop_id": stop, "body": {"text": "good"}}).encode()

    def like(self, golden: Json) -> Json:
        """A golden mutation as this phone would say it, under the next number."""
        said = {**golden, "id": str(uuid4()), "n": self.n + 1}
        if "stop_id" in golden:
            said["stop_id"] = str(self.round.stops["economy"])
        if "route_id" in golden:
            said["route_id"] = str(self.round.route)
        if golden["kind"] == "device.lost_events":
            said["body"] = {"from_n": self.n + 1, "to_n": self.n + 1}
        return said

    async def post(self, body: bytes, **headers: str) -> Response:
        """Call sync with bytes."""
        named = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/driver/v1/sync", content=body, headers=named)

    async def tell(self, batch: Iterable[bytes]) -> Json:
        """Send mutations; return the reply."""
        answer = await self.post(enveloped(batch))
        assert answer.status_code == 200, answer.text[:500]
        reply: Json = answer.json()
        return reply


@dataclass
class Ground:
    """An installation that phones can be taken from."""

    db: Database
    client: AsyncTestClient[Litestar]
    keys: Keys
    clock: FakeClock

    async def phone(self) -> Phone:
        """A phone of a driver with one stop."""
        made = await a_round(self.db, "economy", keys=self.keys)
        token = access.issue(self.keys, made.device, self.clock.now()).token
        return Phone(self.client, token, made)

    async def kept(self, phone: Phone) -> set[bytes]:
        """The hashes of all bytes that were kept of a phone."""
        query = select(col(Mutation.raw)).where(col(Mutation.device_id) == phone.round.device)
        async with self.db.snapshot() as tx:
            return {hashlib.sha256(raw).digest() for raw in await tx.scalars(query)}


@pytest.fixture(scope="module")
async def ground(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """The application, called from outside."""
    settings = settings_for(pg_url, tmp_path_factory.mktemp("fuzz"))
    clock = FakeClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    db = Database(pg_url, clock=clock)
    keys = load_keys(settings.data, log_name=settings.log_name)
    async with calling(settings, clock) as client:
        yield Ground(db, client, keys, clock)
    await db.close()


def enveloped(batch: Iterable[bytes]) -> bytes:
    """An envelope that only pushes."""
    return b'{"pull":false,"mutations":[' + b",".join(batch) + b"]}"


@dataclass(frozen=True, slots=True)
class Spoil:
    """Which field of which kind holds which value; ``twice`` puts it in front of the true one."""

    kind: str
    path: tuple[str | int, ...]
    value: str
    twice: bool = False

    def of(self, phone: Phone) -> bytes:
        """The spoiled mutation as this phone's next."""
        said, value = phone.like(whole()[self.kind]), VALUES[self.value]
        if self.twice:
            return twice(said, str(self.path[0]), value)
        return spoilt(said, self.path, value)

    @property
    def takes_a_number(self) -> bool:
        """Whether its number can still be read; where a key comes twice the last one counts."""
        return self.twice or self.path != ("n",)


def spoils(dice: random.Random, values: int) -> Iterator[Spoil]:
    """Every field of every kind, each with so many of the values; every member twice."""
    for kind, golden in sorted(whole().items()):
        for path in fields(golden):
            for value in dice.sample(sorted(VALUES), values):
                yield Spoil(kind, path, value)
        for name in golden:
            yield Spoil(
                kind, (name,), dice.choice(["null", "a word", "an object", "negative"]), True
            )


def in_batches(told: Iterable[Spoil]) -> Iterator[list[Spoil]]:
    """Part them so that each batch fits into a request with good neighbours between all."""
    rest = iter(told)
    batch: list[Spoil] = []
    size = 0
    for spoil in rest:
        weight = 1500 + len(VALUES[spoil.value])
        if batch and (len(batch) == MOST_SPOILT or size + weight > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(spoil)
        size += weight
    yield batch


async def survive(ground: Ground, batch: list[Spoil]) -> None:
    """Send one batch; the good ones apply, the spoiled ones get a receipt, all bytes are kept."""
    phone = await ground.phone()
    sent, good = [phone.good()], [0]
    for spoil in batch:
        sent.append(spoil.of(phone))
        phone.n += spoil.takes_a_number
        good.append(len(sent))
        sent.append(phone.good())
    reply = await phone.tell(sent)
    receipts = reply["receipts"]
    assert len(receipts) == len(sent)
    for place in good:
        around = batch[max(0, place // 2 - 1) : place // 2 + 1]
        assert receipts[place]["outcome"] == "applied", (receipts[place], around)
    assert {receipt["outcome"] for receipt in receipts} <= FINAL
    assert (reply["acked_n"], reply["need_from"]) == (phone.n, None)
    assert {hashlib.sha256(raw).digest() for raw in sent} == await ground.kept(phone)
    again = await phone.tell(sent)
    assert [r["outcome"] for r in again["receipts"]] == [r["outcome"] for r in receipts]
    assert all(receipt["duplicate"] for receipt in again["receipts"])


async def test_spoiled_fields(ground: Ground) -> None:
    """A seeded sample: no 5xx, no lost neighbour, nothing forgotten, memory bounded."""
    with bounded_memory():
        for batch in in_batches(spoils(random.Random(SEED), SAMPLED)):
            await survive(ground, batch)


@pytest.mark.soak
async def test_every_spoiled_field(ground: Ground) -> None:
    """Every field of every kind with every value."""
    for batch in in_batches(spoils(random.Random(SEED), len(VALUES))):
        await survive(ground, batch)


@pytest.mark.parametrize("name", ["mutations", "cursor", "pull", "client", "stranger"])
async def test_spoiled_envelopes(ground: Ground, name: str) -> None:
    """An envelope is taken or refused; refused, it leaves no trace and the phone sends it again."""
    phone = await ground.phone()
    for value in VALUES.values():
        members = {"pull": b"false", "mutations": b"[" + phone.good() + b"]", name: value}
        inside = b",".join(json.dumps(key).encode() + b":" + raw for key, raw in members.items())
        answer = await phone.post(b"{" + inside + b"}")
        assert answer.status_code in {200, 400}, (name, value[:80], answer.text[:300])
        refused = answer.status_code == 400 or name == "mutations"
        if answer.status_code == 400:
            assert answer.json()["code"] == "envelope_invalid"
            assert name in {"mutations", "cursor", "pull", "stranger"}
        if refused:
            phone.n -= 1
        again = await phone.post(b'{"pull":false}')
        assert again.json()["acked_n"] == phone.n


def test_what_is_tried_covers_every_kind() -> None:
    """The sample reaches every field of every kind, with every value somewhere."""
    tried = list(spoils(random.Random(SEED), SAMPLED))
    assert {(spoil.kind, spoil.path) for spoil in tried} >= {
        (kind, path) for kind, golden in whole().items() for path in fields(golden)
    }
    assert {spoil.value for spoil in tried} == set(VALUES)


async def test_bodies_that_are_not_what_they_say(ground: Ground) -> None:
    """Bombs, cut and mislabelled bodies are refused, nothing is kept of them, memory is bounded."""
    phone = await ground.phone()
    true = enveloped([phone.good(), phone.good()])
    bombs = {
        "gzip": gzip.compress(bytes(100_000_000), 1),
        "zstd": zstandard.compress(bytes(400_000_000)),
    }
    packed = {"gzip": gzip.compress(true), "zstd": zstandard.compress(true)}
    with bounded_memory():
        for coding, bomb in bombs.items():
            answer = await phone.post(bomb, content_encoding=coding)
            assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")
    for coding, body in packed.items():
        for end in range(0, len(body), 7):
            answer = await phone.post(body[:end], content_encoding=coding)
            assert answer.status_code == 400, (coding, end, answer.text)
        for other in {"gzip", "zstd"} - {coding}:
            assert (await phone.post(body, content_encoding=other)).status_code == 400
        assert (await phone.post(body)).status_code == 400
        assert (await phone.post(body, content_encoding="br")).status_code == 415
    assert await ground.kept(phone) == set()
    answer = await phone.post(packed["zstd"], content_encoding="zstd")
    assert answer.json()["acked_n"] == 2


@pytest.mark.parametrize(
    "said", ["text/csv", "multipart/form-data; boundary=x", "application/json; charset=utf-7", "/"]
)
async def test_wrong_content_types(ground: Ground, said: str) -> None:
    """What the body is called does not matter while it can be read."""
    phone = await ground.phone()
    answer = await phone.post(enveloped([phone.good()]), content_type=said)
    assert answer.status_code == 200, answer.text
    assert answer.json()["acked_n"] == 1


class bounded_memory:  # noqa: N801 - reads as a statement
    """The most memory this process holds in the block is little more than it held before."""

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self._before = _memory_mb("VmRSS")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            grown = _memory_mb("VmHWM") - self._before
            assert grown < MEMORY_MB, f"{grown:.0f} MB more than before"


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
