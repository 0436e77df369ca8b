"""A worked day with the real server, told as requests and replies in one fixed wording.

What differs from run to run is put in words: ids that the server made are numbered, hashes, tokens
and cursors are cut. Everything else stands in docs/sync-protocol.md as the server said it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from litestar import Litestar
from litestar.testing import AsyncTestClient

from backend.audit.record import Event, record
from backend.domain.people import SYSTEM
from backend.identity.devices import issue_enrolment_code
from backend.keys import Keys
from backend.store.database import Database
from backend.tables.stops import Stop
from tests.fixtures.clock import FakeClock
from tests.fixtures.visits import Round, a_round

Json = dict[str, Any]
# What the page shows of an entity; the rest is described in its own section.
_SHOWN = ("version", "state", "proof", "stop_ids", "actions")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_OURS = "11111111-1111-4111-8111-"
_HEX = re.compile(r'"[0-9a-f]{64}"')
_SECRETS = ("access_token", "refresh_token", "code")


@dataclass
class Day:
    """One phone's day: it calls, and what is said is written down."""

    client: AsyncTestClient[Litestar]
    db: Database
    keys: Keys
    clock: FakeClock
    told: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    token: str = ""
    n: int = 0
    last: Json = field(default_factory=dict)

    def name(self, text: str) -> str:
        """Number an id that the server made, in the order in which ids are first seen."""
        if text.startswith(_OURS):
            return text
        number = len(self.names) + 1
        return self.names.setdefault(text, f"01a00000-0000-7000-8000-{number:012d}")

    async def call(self, path: str, body: Json, why: str) -> Json:
        """Post JSON; write both sides down under a heading."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self.client.post(f"/driver/v1{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        reply: Json = answer.json()
        asked = "{ the same }" if body == self.last else self._worded(body)
        first, self.last = not any("/sync" in told for told in self.told), body
        answered = self._worded(_brief(reply, whole=first))
        self.told.append(
            f"{why}\n\n```\nPOST /driver/v1{path}\n{asked}\n\n{answer.status_code}\n{answered}\n```"
        )
        return reply

    def act(
        self, kind: str, stop: UUID | None = None, body: Json | None = None, **more: object
    ) -> Json:
        """Number an act, as a phone does while it may be offline."""
        self.n += 1
        act: Json = {"id": f"{_OURS}{self.n:012d}", "n": self.n, "kind": kind, "kind_version": 1}
        if stop is not None:
            act |= {"stop_id": str(stop), "base": 1, "policy_version": 1}
        act["at"] = {
            "wall": f"{self.clock.now():%Y-%m-%dT%H:%M:%S.000Z}",
            "monotonic_ms": self._monotonic(),
            "boot": "boot-7",
        }
        return {**act, **more, "body": body or {}}

    def envelope(self, cursor: str | None, acts: Sequence[Json] = ()) -> Json:
        """What is sent, with the phone's clocks at this moment."""
        wall = f"{self.clock.now():%Y-%m-%dT%H:%M:%S.000Z}"
        client = {"app_version": "1.4.0", "wall": wall, "monotonic_ms": self._monotonic()}
        client |= {"boot": "boot-7", "pending": len(acts)}
        return {"cursor": cursor, "client": client, "mutations": list(acts)}

    def _monotonic(self) -> int:
        return int(self.clock.now().timestamp() * 1000) - 1_795_000_000_000

    def _worded(self, value: Json) -> str:
        text = _UUID.sub(lambda found: self.name(found[0]), _laid_out(value))
        text = _HEX.sub('"64 hex digits"', text)
        text = re.sub(r'"cursor": "[^"]+"', '"cursor": "…"', text)
        for secret in _SECRETS:
            text = re.sub(rf'"{secret}": "[^"_]{{9,}}"', f'"{secret}": "…"', text)
            text = re.sub(rf'"{secret}": "[^"]{{30,}}"', f'"{secret}": "…"', text)
        return text


def _brief(reply: Json, *, whole: bool) -> Json:
    """Cut what the page need not repeat: entities to what changes, answers to what they say."""
    cut = dict(reply)
    if "puts" in reply:
        cut["puts"] = [{**put, "data": _only(put["data"])} for put in reply["puts"]]
        cut["receipts"] = [_telling(receipt) for receipt in reply["receipts"]]
    return cut if whole else _telling(cut)


def _only(data: Json) -> Json:
    return {name: item for name, item in data.items() if name in _SHOWN}


def _telling(said: Json) -> Json:
    return {name: item for name, item in said.items() if item not in (None, False, [])}


def _laid_out(value: Json) -> str:
    """One member to a line, and one item of a list of objects to a line."""
    lines = []
    for name, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            inner = ",\n    ".join(_item(each) for each in item)
            lines.append(f'  "{name}": [\n    {inner}]')
        else:
            lines.append(f'  "{name}": {json.dumps(item)}')
    return "{\n" + ",\n".join(lines) + "\n}"


def _item(value: Json) -> str:
    """An item on as many lines as fit a page."""
    parts, lines = [f'"{name}": {json.dumps(item)}' for name, item in value.items()], [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > 110:
            lines.append("")
        lines[-1] += ("" if not lines[-1] else " ") + part + ","
    return "{" + "\n     ".join(lines)[:-1] + "}"


async def worked_day(
    client: AsyncTestClient[Litestar], db: Database, keys: Keys, clock: FakeClock
) -> str:
    """Live the day and return the page's text of it."""
    made = await a_round(db, "economy", "standard", keys=keys)
    async with db.begin() as tx:
        code, _ = await issue_enrolment_code(tx, keys, made.driver)
    day = Day(client, db, keys, clock)
    await _morning(day, made, code)
    await _evening(day, made)
    return "\n\n".join(day.told)


async def _morning(day: Day, made: Round, code: str) -> None:
    device = {"platform": "android", "model": "T1", "app_version": "1.4.0"}
    signed = await day.call(
        "/devices",
        {"code": code, "device": device},
        "**08:00.** The driver types the code that his supervisor gave him.",
    )
    day.token = signed["access_token"]
    first = await day.call(
        "/sync", day.envelope(None), "The first sync has no cursor and gets everything."
    )
    day.clock.advance(minutes=70)
    arrived = day.act("stop.arrived", made.stops["economy"])
    day.clock.advance(minutes=2)
    parcels: list[Json] = []
    handed = {"method": "handed_over", "recipient": {"name": "E. Poe"}, "parcels": parcels}
    delivered = day.act("stop.delivered", made.stops["economy"], handed)
    day.clock.advance(minutes=20)
    fresh = await _fresh_token(day, signed["refresh_token"])
    day.token = fresh["access_token"]
    await day.call(
        "/sync",
        day.envelope(first["cursor"], [arrived, delivered]),
        "**09:32.** In reach again. Both acts are told, and the reply shows what they did: a"
        " receipt for each, and the stop as it now is.",
    )
    await day.call(
        "/sync",
        day.envelope(first["cursor"], [arrived, delivered]),
        "That reply was lost on the road. The phone knows nothing of it and says the same again:"
        " it gets the same answers, marked as repeats, and nothing happens twice.",
    )


async def _fresh_token(day: Day, refresh_token: str) -> Json:
    return await day.call(
        "/tokens",
        {"refresh_token": refresh_token, "nonce": "5f0c7e6a"},
        "The access token has run out meanwhile. The nonce was on the disk before the call, so that"
        " a lost reply can be asked for again.",
    )


async def _evening(day: Day, made: Round) -> None:
    stop_id = made.stops["standard"]
    day.clock.advance(minutes=3)
    seen = day.act("stop.noted", stop_id, {"text": "the yard is closed"})
    left: Json = {"method": "neighbour", "recipient": {"name": "A. Lee"}, "parcels": []}
    handed = day.act("stop.delivered", stop_id, left)
    async with day.db.begin() as tx:
        await record(tx, SYSTEM, Event("stop.cancelled", Stop, stop_id, {"state": "cancelled"}))
    gap = await day.call(
        "/sync",
        {"pull": False, **day.envelope(None, [handed])} | {"cursor": None},
        "**09:35.** A phone with a fault skips a number. Nothing beyond the gap is taken;"
        " `need_from` says what is missing.",
    )
    assert gap["need_from"] == seen["n"]
    await day.call(
        "/sync",
        day.envelope(None, [seen, handed]),
        "It sends again from there. Meanwhile the office had cancelled this stop. The driver could"
        " not know; what he did stands, and a person there looks at it. The phone lost its cursor"
        " by the way and asks for a snapshot.",
    )
