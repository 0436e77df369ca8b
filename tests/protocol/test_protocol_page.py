"""What docs/sync-protocol.md shows is true: digest, door, a worked day, and the client at its end.

With DOORSTEP_WRITE_DOCS=1 the examples on the page are written anew instead of compared.
"""

import base64
import hashlib
import json
import os
import re
import urllib.error
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from backend.clock import SystemClock
from backend.identity.devices import issue_enrolment_code
from backend.keys import load_keys
from backend.store.database import Database
from handset.base import digest
from pod.token import qr_text
from tests.fixtures.clock import FakeClock
from tests.fixtures.phones import calling, settings_for
from tests.fixtures.servers import serving
from tests.fixtures.visits import Round, a_round
from tests.protocol.day import worked_day

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "sync-protocol.md"
STOP = UUID("01a00000-0000-7000-8000-000000000012")
Phone = Any  # the page's own class


def block(mark: str) -> str:
    """Return the code that follows a mark on the page."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert found, f"the page has no block marked {mark}"
    return found[1]


def holds(mark: str, true: str) -> None:
    """Compare a block with what it should say, or write it."""
    if os.environ.get("DOORSTEP_WRITE_DOCS"):
        old = f"<!-- {mark} -->\n```\n{block(mark)}\n```"
        PAGE.write_text(PAGE.read_text().replace(old, f"<!-- {mark} -->\n```\n{true}\n```"))
    assert block(mark) == true


def test_the_digest_example() -> None:
    """The digest on the page is that of the lines above it, to the server and to anybody."""
    lines = block("digest: lines").splitlines()
    by_hand = hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()
    parts = [line.rsplit(":", 1) for line in lines]
    named = [(*name.partition(":"), int(v)) for name, v in parts]
    assert digest((kind, id_, v) for kind, _, id_, v in named) == by_hand
    holds("digest: value", by_hand)


def test_the_door_example() -> None:
    """The commitment on the page is computed as the page says."""
    token = bytes(range(16))
    holds("door: qr", qr_text(STOP, token))
    coded = block("door: qr").removeprefix("DS1:")
    raw = base64.b32decode(coded + "=" * (-len(coded) % 8))
    stop, token = str(UUID(bytes=raw[:16])), raw[16:]
    said = b"doorstep-door-v1\0" + stop.encode("ascii") + b"\0" + token
    holds("door: commitment", hashlib.sha256(said).hexdigest())


async def test_the_worked_day(
    fresh_pg_url: str, fresh_db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    """The requests and replies of the day are what the server says today."""
    settings = settings_for(fresh_pg_url, tmp_path)
    keys = load_keys(settings.data, log_name=settings.log_name)
    async with calling(settings, clock) as client:
        told = await worked_day(client, fresh_db, keys, clock)
    begin, end = "<!-- day: begin -->\n", "<!-- day: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("DOORSTEP_WRITE_DOCS"):
        PAGE.write_text(f"{before}{begin}{told}\n{end}{after}")
        return
    assert shown.strip() == told, "see the words at the top of this file"


@dataclass
class Ground:
    """A real server with a driver's round, and the page's client pointed at it."""

    db: Database
    round: Round
    code: Callable[[], str]
    client: Callable[[Path], Phone]


@pytest.fixture
async def ground(fresh_pg_url: str, tmp_path: Path) -> AsyncIterator[Ground]:
    """Bring the server up."""
    settings = settings_for(fresh_pg_url, tmp_path / "data")
    settings.data.mkdir()
    keys = load_keys(settings.data, log_name=settings.log_name)
    db = Database(fresh_pg_url, clock=SystemClock())
    made = await a_round(db, keys=keys)
    async with db.begin() as tx:
        codes = [(await issue_enrolment_code(tx, keys, made.driver))[0] for _ in range(2)]
    shown: dict[str, Any] = {}
    exec(compile(block("client"), "the page", "exec"), shown)  # noqa: S102 - our own page
    with serving(settings) as server:
        url = f"http://127.0.0.1:{server.port}"
        yield Ground(db, made, codes.pop, lambda folder: shown["Phone"](folder, url))
    await db.close()


async def test_the_client_on_the_page(ground: Ground, tmp_path: Path) -> None:
    """It enrols, works offline, survives lost replies, restarts and lost acts, and is refreshed."""
    phone = ground.client(tmp_path)
    phone.enrol(ground.code())
    phone.sync()
    stops = sorted(key[5:] for key in phone.state["copy"] if key.startswith("stop:"))
    assert stops == sorted(str(id_) for id_ in ground.round.stops.values())
    for stop in stops:
        phone.record("stop.arrived", stop_id=stop, base=1)
    said = {"mutations": phone.state["journal"][:2]}
    phone.call("/sync", said, phone.state["access_token"])  # a reply that it never heard of
    again = ground.client(tmp_path)
    assert [receipt["duplicate"] for receipt in again.sync()["receipts"]] == [
        True,
        True,
        False,
        False,
    ]
    states = {
        key[5:]: data["state"] for key, (_, data) in again.state["copy"].items() if "stop:" in key
    }
    assert set(states.values()) == {"arrived"}
    lose_two_acts_and_go_on(again, stops)
    with pytest.raises(urllib.error.HTTPError) as refused:
        again.call("/sync", {}, "no token")
    assert json.load(refused.value)["code"] == "token_invalid"
    again.refresh()
    assert again.sync()["acked_n"] == again.state["n"]


async def test_the_client_runs_again(ground: Ground, tmp_path: Path) -> None:
    """With a new code in the same folder it is a new device that tells its old acts again."""
    phone = ground.client(tmp_path)
    phone.enrol(ground.code())
    phone.sync()
    stop = next(key[5:] for key in phone.state["copy"] if key.startswith("stop:"))
    phone.record("stop.arrived", stop_id=stop, base=1)
    phone.sync()
    again = ground.client(tmp_path)
    again.enrol(ground.code())
    again.sync()
    again.record("stop.noted", {"text": "again"}, stop_id=stop)
    (receipt,) = [each for each in again.sync()["receipts"] if each["n"] == again.state["n"]]
    assert receipt["outcome"] == "applied"
    assert again.state["acked"] == again.state["n"] == 2


def lose_two_acts_and_go_on(phone: Phone, stops: list[str]) -> None:
    """Let two acts vanish from its disk; it owns up to that and the next ones are heard."""
    for text in ("one", "two", "three"):
        phone.record("stop.noted", {"text": text}, stop_id=stops[0])
    lost = phone.state["n"] - 1
    phone.state["journal"] = [
        act for act in phone.state["journal"] if act["n"] not in (lost, lost - 1)
    ]
    reply = phone.sync()
    assert [receipt["outcome"] for receipt in reply["receipts"]] == ["applied", "applied"]
    assert phone.state["acked"] == phone.state["n"] == lost + 1
