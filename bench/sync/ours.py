"""What our phones do while they are measured, as bytes over real HTTP."""

import io
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4

from PIL import Image
from sqlalchemy import text

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.keys import Keys
from backend.store.database import Database
from backend.tables.stops import Stop
from bench.sync.clone import STOPS, Template
from bench.sync.wire import Exchange, Line
from bench.sync.world import Device
from tests.fixtures.visits import a_round

BATCH = 50
WALL = "2026-11-20T09:30:00.000Z"
SEGMENTS = ("standard", "economy", "business", "standard", "premium")


@dataclass(slots=True)
class Ours:
    """The operations, each for one device and round."""

    db: Database
    port: int
    lines: dict[UUID, Line] = field(default_factory=dict)

    async def fresh(self, device: Device, number: int) -> Exchange:
        """Ask for a whole manifest."""
        exchange = await self._sync(device, b'{"cursor":null}')
        device.cursor = _cursor(exchange.body)
        return exchange

    async def packed(self, device: Device) -> Exchange:
        """Ask for a whole manifest as zstd."""
        return await self._sync(_able(device), b'{"cursor":null}')

    async def idle(self, device: Device, number: int) -> Exchange:
        """Ask, when nothing changed, and take the answer compressed as phones do."""
        return await self._sync(_able(device), _asking(device))

    async def delta(self, device: Device, number: int) -> Exchange:
        """Ask, when five stops changed."""
        exchange = await self._sync(device, _asking(device))
        device.cursor = _cursor(exchange.body)
        return exchange

    async def online(self, device: Device, number: int) -> Exchange:
        """Tell of one arrival, and ask for nothing."""
        return await self._sync(device, _telling(_arrival(device, number)))

    async def online_sync(self, device: Device, number: int) -> Exchange:
        """Tell of one arrival, and take what changed with it."""
        body = _asking(device)[:-1] + b',"mutations":[' + _arrival(device, number) + b"]}"
        exchange = await self._sync(device, body)
        device.cursor = _cursor(exchange.body)
        return exchange

    async def drain(self, device: Device, number: int) -> Exchange:
        """Tell fifty events that close no stop: departures, arrivals, notes."""
        return await self._sync(device, _telling(*_fifty(device, number, "stop.noted")))

    async def visits(self, device: Device, number: int) -> Exchange:
        """Tell fifty events of whole visits: departures, arrivals, deliveries."""
        return await self._sync(device, _telling(*_fifty(device, number, "stop.delivered")))

    async def change_five(self, devices: Sequence[Device], number: int) -> None:
        """Let the office change five stops of everybody."""
        for device in devices:
            async with self.db.begin() as tx:
                for stop in sorted(device.stops[number * 5 : number * 5 + 5]):
                    change = {"service_s": 200 + number}
                    await record(tx, SYSTEM, Event("stop.changed", Stop, UUID(stop), change))

    def close(self) -> None:
        """Hang up."""
        for line in self.lines.values():
            line.close()

    async def _sync(self, device: Device, body: bytes) -> Exchange:
        line = self.lines.get(device.id)
        if line is None:
            line = self.lines[device.id] = Line("127.0.0.1", self.port)
        return await line.expect(200, device.head, body)


async def prepare(db: Database, keys: Keys) -> Template:
    """Record the template's round: 150 stops ahead of him and one more to visit."""
    names = ["standard", *(SEGMENTS[i % len(SEGMENTS)] for i in range(STOPS))]
    made = await a_round(db, *names, keys=keys)
    async with db.snapshot() as tx:
        first = "SELECT id FROM stop WHERE route_id = :route ORDER BY sequence LIMIT 1"
        visited = await tx.scalar(text(first), {"route": made.route})
    return Template(made.driver, made.device, made.shift, made.route, visited)


async def visit(port: int, head: bytes, stop: UUID) -> None:
    """Visit the template's stop as a phone does: photo, departure, arrival, scan, delivery."""
    line = Line("127.0.0.1", port)
    photo = io.BytesIO()
    Image.frombytes("RGB", (64, 48), os.urandom(9216)).save(photo, "JPEG")
    sha = sha256(photo.getvalue()).hexdigest()
    said = {"sha256": sha, "kind": "photo", "media_type": "image/jpeg"}
    named = ",".join(f"{name} {b64encode(word.encode()).decode()}" for name, word in said.items())
    upload = (
        head.replace(b"/sync", b"/evidence").replace(
            b"application/json", b"application/offset+octet-stream"
        )
        + (
            f"Tus-Resumable: 1.0.0\r\nUpload-Length: {len(photo.getvalue())}\r\n"
            f"Upload-Metadata: {named}\r\n"
        ).encode()
    )
    await line.expect(201, upload, photo.getvalue())
    file = {**said, "size": len(photo.getvalue())}
    device = Device(uuid4(), uuid4(), head, [str(stop)], 1, 0, [str(uuid4())])
    told = [
        _told(device, 0, "stop.departed"),
        _told(device, 0, "stop.arrived"),
        _told(device, 0, "parcel.scanned", b'"body":{"barcode":"P1","purpose":"deliver"}'),
        _told(device, 0, "stop.delivered", _delivery(device, 0) + _naming(file)),
    ]
    reply = await line.expect(200, head, _telling(*told))
    if reply.body.count(b'"applied"') != len(told):
        raise RuntimeError(f"the template's visit was not applied: {reply.body[:2000]!r}")
    line.close()


def _naming(file: dict[str, object]) -> bytes:
    return (
        f',"evidence":[{{"sha256":"{file["sha256"]}","kind":"photo","size":{file["size"]},'
        f'"media_type":"image/jpeg"}}]'
    ).encode()


def _arrival(device: Device, place: int) -> bytes:
    return _told(device, place, "stop.arrived")


def _fifty(device: Device, number: int, third: str) -> list[bytes]:
    """The next fifty events, three to a stop, from the ``number``-th fifty on."""
    told = []
    for event in range(number * BATCH, number * BATCH + BATCH):
        place, step = divmod(event, 3)
        kind = ("stop.departed", "stop.arrived", third)[step]
        body = b""
        if kind == "stop.noted":
            body = b'"body":{"text":"left at the side gate, bell broken"}'
        elif kind == "stop.delivered":
            body = _delivery(device, place)
        told.append(_told(device, place, kind, body))
    return told


def _delivery(device: Device, place: int) -> bytes:
    return (
        '"body":{"method":"handed_over","recipient":{"name":"E. Poe","relation":"self"},'
        f'"parcels":[{{"parcel_id":"{device.parcels[place]}","outcome":"delivered"}}]}}'
    ).encode()


def _told(device: Device, place: int, kind: str, body: bytes = b"") -> bytes:
    device.n += 1
    return (
        (
            f'{{"id":"{uuid4()}","n":{device.n},"kind":"{kind}","stop_id":"{device.stops[place]}",'
            f'"base":{device.base},"at":{{"wall":"{WALL}","monotonic_ms":{8123456 + device.n},'
            f'"boot":"b1"}}'
        ).encode()
        + (b"," + body if body else b"")
        + b"}"
    )


def _telling(*mutations: bytes) -> bytes:
    return b'{"pull":false,"client":%b,"mutations":[%b]}' % (_client(), b",".join(mutations))


def _able(device: Device) -> Device:
    return replace(device, head=device.head + b"Accept-Encoding: zstd\r\n")


def _asking(device: Device) -> bytes:
    return b'{"cursor":"%b"}' % (device.cursor or "").encode()


def _client() -> bytes:
    wall = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f'{{"app_version":"1.4.0","wall":"{wall}","monotonic_ms":9000000,"boot":"b1"}}'.encode()


def _cursor(body: bytes) -> str:
    at = body.index(b'"cursor":"') + 10
    return body[at : body.index(b'"', at)].decode()
