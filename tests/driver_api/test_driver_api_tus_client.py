"""The official JavaScript client of tus, from its registry, on a road that is cut again and again.

Node.js runs it in a process of its own. It is installed at test time into the user's cache.
"""

import asyncio
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.blobs import FolderBlobs, read_bytes
from backend.clock import SystemClock
from backend.settings import Settings
from backend.store.database import Database
from tests.fixtures.cutting import cutting
from tests.fixtures.phones import a_phone, settings_for
from tests.fixtures.servers import Server, serving

PACKAGE = "tus-js-client@4.3.1"
MIB = 1024 * 1024
SCRIPT = Path(__file__).with_name("tus_upload.mjs")


def big_picture(size: int) -> bytes:
    """A small picture whose comments make it as large as wanted."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).save(out, "JPEG")
    plain, dice, comments = out.getvalue(), random.Random(7), b""
    while (left := size - len(plain) - len(comments)) > 0:
        part = dice.randbytes(min(left - 4, 60_000) if left > 70_000 else left - 4)
        comments += b"\xff\xfe" + struct.pack(">H", len(part) + 2) + part
    return plain[:2] + comments + plain[2:]


@pytest.fixture(scope="module")
def client() -> Path:
    """The folder in which Node.js finds the client."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("NO NODE: node and npm are not on the path, so tus-js-client was not tried")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "doorstep" / PACKAGE
    if not (folder / "node_modules" / "tus-js-client").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE],
            cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"NO REGISTRY: npm cannot install {PACKAGE}: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def settings(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One installation for this module."""
    return settings_for(pg_url, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[Server]:
    """The real server."""
    with serving(settings) as server:
        yield server


def a_token(settings: Settings) -> str:
    """Sign a phone of a new driver in, by the real clock."""

    async def work() -> str:
        db = Database(str(settings.database_url), clock=SystemClock())
        phone = await a_phone(db, settings)
        await db.close()
        return phone.headers["Authorization"]

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("chunk", "with_creation"),
    [(None, False), (MIB, False), (MIB, True)],
    ids=["in one piece", "in pieces", "with its creation"],
)
def test_eight_megabytes_arrive_on_a_cut_road(
    client: Path,
    server: Server,
    settings: Settings,
    tmp_path: Path,
    chunk: int | None,
    with_creation: bool,  # noqa: FBT001 - a case
) -> None:
    """However often the road is cut, the client goes on where the server stands: verified."""
    content = big_picture(8 * MIB)
    sha256, file = hashlib.sha256(content).hexdigest(), tmp_path / "photo.jpg"
    file.write_bytes(content)
    with cutting(server.port, seed=3, least=MIB // 2, most=3 * MIB) as (port, road):
        order = {
            "modules": f"{client}/",
            "file": str(file),
            "endpoint": f"http://127.0.0.1:{port}/driver/v1/evidence",
            "token": a_token(settings),
            "chunk": chunk,
            "withCreation": with_creation,
            "metadata": {"sha256": sha256, "kind": "photo", "media_type": "image/jpeg"},
        }
        done = subprocess.run(
            ["node", str(SCRIPT)], input=json.dumps(order), capture_output=True, text=True,
            timeout=100, check=True,
        )  # fmt: skip
    told = json.loads(done.stdout)
    assert "error" not in told, told
    assert road.cuts >= 3
    assert told["url"].endswith(f"/driver/v1/evidence/{sha256}")
    kept = asyncio.run(read_bytes(FolderBlobs(settings.data / "blobs"), sha256))
    assert hashlib.sha256(kept).hexdigest() == sha256
