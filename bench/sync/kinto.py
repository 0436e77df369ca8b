"""Kinto beside us: its own environment, its own process, the same PostgreSQL with the same fsync.

Installed on demand from a lock file with hashes, into a folder outside the tree that is kept for
the next run. Everybody's stops are records of a collection of his own, as large as ours.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import asyncpg

from bench.sync.serving import free_port
from bench.sync.wire import BadAnswer, Exchange, Line

LOCK = Path(__file__).with_name("kinto.lock")
BATCH = 50
_ROOT = "/v1/buckets/rounds/collections"

_INI = """[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.postgresql
kinto.storage_url = {url}
kinto.storage_pool_size = 20
kinto.permission_backend = kinto.core.permission.postgresql
kinto.permission_url = {url}
kinto.permission_pool_size = 20
kinto.cache_backend = kinto.core.cache.memory
kinto.userid_hmac_secret = bench
multiauth.policies = basicauth
kinto.bucket_create_principals = system.Authenticated
kinto.batch_max_requests = 200
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
# Its default of 100 would leave half of 200 phones without an answer for ever.
connection_limit = 1000
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = ERROR
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = ERROR
formatter = plain
[formatter_plain]
format = %(message)s
"""


def environment() -> Path:
    """Return the environment Kinto lives in, made from the lock file if there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "doorstep" / f"kinto-{sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not (home / "ready").exists():
        print(f"installing Kinto into {home} …", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
        _say([sys.executable, "-m", "venv", "--clear", str(home / "venv")])
        pip = [str(home / "venv/bin/python"), "-m", "pip", "install", "-q"]
        _say([*pip, "--require-hashes", "-r", str(LOCK)])
        (home / "ready").touch()
    return home / "venv" / "bin"


def _say(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-1500:]}")


@contextlib.contextmanager
def serving(folder: Path, dsn: str) -> Iterator[tuple[int, int]]:
    """Run Kinto on a database; give its process and its port."""
    programs, port = environment(), free_port()
    ini = folder / "kinto.ini"
    ini.write_text(_INI.format(url=dsn, port=port))
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with (folder / "kinto.log").open("wb") as log:
        migrate = [str(programs / "kinto"), "migrate", "--ini", str(ini)]
        subprocess.run(migrate, check=True, stdout=log, stderr=log, env=quiet)
        # Straight to waitress, so that what is measured is one process.
        serve = [str(programs / "pserve"), str(ini)]
        with subprocess.Popen(serve, stdout=log, stderr=log, env=quiet) as process:
            try:
                yield process.pid, port
            finally:
                process.terminate()


@dataclass(slots=True)
class Kinto:
    """The operations, each for one device and round."""

    port: int
    head: bytes
    lines: dict[int, Line] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    since: dict[int, bytes] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)

    async def fresh(self, device: int, number: int) -> Exchange:
        """Read a whole collection."""
        exchange = await self._get(device, "")
        self.since[device] = _newest(exchange.body)
        return exchange

    async def idle(self, device: int, number: int) -> Exchange:
        """Ask what changed, when nothing did."""
        return await self._get(device, f"?_since={self.since[device].decode()}")

    async def delta(self, device: int, number: int) -> Exchange:
        """Ask what changed, when five records did."""
        exchange = await self._get(device, f"?_since={self.since[device].decode()}")
        self.since[device] = _newest(exchange.body)
        return exchange

    async def online(self, device: int, number: int) -> Exchange:
        """Change one record."""
        path = f"{self.paths[device]}/{self.records[number]}"
        return await self._ask(device, b"PATCH", path, _arrived(number))

    async def drain(self, device: int, number: int) -> Exchange:
        """Change fifty in one batch: three times each, as our phones do."""
        places = [(number * BATCH + i) // 3 for i in range(BATCH)]
        requests = [
            {"path": f"{self.paths[device]}/{self.records[place % len(self.records)]}",
             "body": json.loads(_arrived(i))}
            for i, place in enumerate(places)
        ]  # fmt: skip
        body = {"defaults": {"method": "PATCH"}, "requests": requests}
        return await self._ask(device, b"POST", "/v1/batch", json.dumps(body).encode())

    async def change_five(self, devices: Sequence[int], number: int) -> None:
        """Let the office change five records of everybody."""
        for device in devices:
            for record in self.records[number * 5 : number * 5 + 5]:
                await self._ask(
                    device, b"PATCH", f"{self.paths[device]}/{record}", _arrived(number)
                )

    def close(self) -> None:
        """Hang up."""
        for line in self.lines.values():
            line.close()

    async def _get(self, device: int, query: str) -> Exchange:
        return await self._ask(device, b"GET", self.paths[device] + query, b"")

    async def _ask(self, device: int, verb: bytes, path: str, body: bytes) -> Exchange:
        line = self.lines.get(device)
        if line is None:
            line = self.lines[device] = Line("127.0.0.1", self.port)
        head = b"%b %b HTTP/1.1\r\n%b" % (verb, path.encode(), self.head)
        return await line.expect(200, head, body)


async def furnished(
    port: int, dsn: str, entities: Sequence[dict[str, object]], devices: int
) -> Kinto:
    """Fill Kinto with everybody's stops: one collection over HTTP, its copies inside SQL."""
    secret = b64encode(b"bench:bench").decode()
    head = f"Host: 127.0.0.1\r\nAuthorization: Basic {secret}\r\nContent-Type: application/json\r\n"
    kinto = Kinto(port, head.encode())
    line = Line("127.0.0.1", port)
    await _until_up(line, kinto.head)
    await _put(line, kinto.head, "/v1/buckets/rounds")
    for device in range(devices):
        kinto.paths[device] = f"{_ROOT}/d{device}/records"
        await _put(line, kinto.head, f"{_ROOT}/d{device}")
    for entity in entities:
        kinto.records.append(str(entity["id"]))
        await _put(line, kinto.head, f"{kinto.paths[0]}/{entity['id']}", {"data": entity})
    line.close()
    await _copy(dsn, devices)
    return kinto


async def _put(line: Line, head: bytes, path: str, body: dict[str, object] | None = None) -> None:
    """Make something; Kinto answers 409 where two moments fall into one, so ask again."""
    said = json.dumps(body or {"data": {}}).encode()
    for _ in range(20):
        answer = await line.ask(b"PUT %b HTTP/1.1\r\n%b" % (path.encode(), head), said)
        if answer.status in {200, 201}:
            return
        if answer.status != 409:
            raise BadAnswer(f"PUT {path}: {answer.status} {answer.body[:300]!r}")
        await asyncio.sleep(0.01)
    raise BadAnswer(f"PUT {path}: 409, twenty times")


async def _until_up(line: Line, head: bytes) -> None:
    for _ in range(150):
        with contextlib.suppress(OSError):
            await line.expect(200, b"GET /v1/ HTTP/1.1\r\n" + head)
            return
        await asyncio.sleep(0.1)
    raise BadAnswer("Kinto did not come up")


async def _copy(dsn: str, devices: int) -> None:
    """Give every other collection the first one's records, in Kinto's own tables."""
    first = "/buckets/rounds/collections/d0"
    connection = await asyncpg.connect(dsn)
    for table, column in (("objects", "parent_id"), ("access_control_entries", "object_id")):
        names = await connection.fetch(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1"
            " ORDER BY ordinal_position",
            table,
        )
        columns = [row["name"] for row in names]
        moved = {column: f"replace({column}, '{first}', '/buckets/rounds/collections/d' || d)"}
        values = ", ".join(moved.get(name, name) for name in columns)
        which = f"{column} = '{first}'" if table == "objects" else f"{column} LIKE '{first}/%'"
        await connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table},"
            f" generate_series(1, {devices - 1}) AS d WHERE {which}"
        )
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _arrived(number: int) -> bytes:
    return b'{"data":{"state":"arrived","arrived_at":"2026-11-20T09:30:00.%03dZ"}}' % number


def _newest(body: bytes) -> bytes:
    return str(max(record["last_modified"] for record in json.loads(body)["data"])).encode()
