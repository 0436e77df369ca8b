"""The strict server finds our reference phone in order, and careless ones where they are so."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from backend.cli.conformance.kit.report import conforms, line
from backend.cli.conformance.kit.strict import Strict, trying
from backend.cli.conformance.kit.verdict import Verdict
from handset import Handset, HandsetError
from handset.transport import Patience

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


async def _no_waiting(_seconds: float) -> None:
    return None


async def test_the_reference_phone_conforms(tmp_path: Path) -> None:
    """It is led through every scene and keeps its word in each."""
    with trying() as server:
        patience = Patience(attempts=4, sleep=_no_waiting)
        async with Handset(tmp_path / "phone", server.url, patience=patience) as phone:
            await phone.enrol(server.code)
            await phone.sync()
            for number in range(8):
                stop = phone.stops()[number % 3].id
                phone.note(stop, f"number {number}")
                phone.note(stop, "and another")
                await phone.sync()
        results = server.results()
        assert server.wait(0), "\n".join(map(line, results))
    assert {each.verdict for each in results} == {Verdict.PASSED}, "\n".join(map(line, results))


class Careless:
    """A phone in a few lines that keeps none of the promises a test takes from it."""

    def __init__(self, server: Strict) -> None:
        self._where = urlsplit(server.url)
        given = self._call("/devices", {"code": server.code, "device": {}}, "")
        self.token: str = given["access_token"]
        self.cursor: str | None = None
        self.refresh = given["refresh_token"]
        self.n = 0

    def act(self, n: int | None = None) -> Json:
        """Number an act."""
        self.n = n or self.n + 1
        stop = str(uuid4())
        return {"id": str(uuid4()), "n": self.n, "kind": "stop.noted", "stop_id": stop, "body": {}}

    def sync(self, *acts: Json) -> Json:
        """Send; an empty reply where there was none."""
        said = {"cursor": self.cursor, "mutations": list(acts)}
        reply = self._call("/sync", said, self.token)
        self.cursor = reply.get("cursor", self.cursor)
        return reply

    def renew(self, nonce: str) -> None:
        """Exchange the token."""
        said = {"refresh_token": self.refresh, "nonce": nonce}
        self.token = self._call("/tokens", said, "").get("access_token", self.token)

    def _call(self, path: str, body: Json, token: str) -> Json:
        line_ = http.client.HTTPConnection(str(self._where.hostname), self._where.port, timeout=10)
        raw = json.dumps(body).encode()
        try:
            line_.request("POST", f"/driver/v1{path}", raw, {"Authorization": f"Bearer {token}"})
            reply: Json = json.loads(line_.getresponse().read())
        except http.client.HTTPException:
            return {}
        finally:
            line_.close()
        return reply


def failed(server: Strict) -> set[str]:
    """The rules that were broken."""
    return {each.number for each in server.results() if each.verdict is Verdict.FAILED}


def test_a_phone_that_forgets_after_a_lost_reply() -> None:
    """It goes on with the next number as if the lost ones had been heard."""
    with trying() as server:
        phone = Careless(server)
        phone.sync()
        assert phone.sync(phone.act(), phone.act()) == {}
        phone.sync(phone.act())
        assert failed(server) == {"C.7"}
        assert not conforms(server.results())


def test_a_phone_that_numbers_anew() -> None:
    """The same number with other content, and a number left out."""
    with trying() as server:
        phone = Careless(server)
        phone.sync()
        phone.sync(phone.act())
        phone.sync(phone.act(1))
        phone.sync(phone.act(9))
        assert failed(server) == {"C.1", "C.2"}


def test_a_phone_with_odd_acts() -> None:
    """A kind of its own, an id that is none, too many at once, a cursor from nowhere."""
    with trying() as server:
        phone = Careless(server)
        phone.cursor = "mine"
        phone.sync({**phone.act(), "id": "x", "kind": "stop.levitated"})
        phone.sync(*[phone.act() for _ in range(201)])
        assert failed(server) == {"C.3", "C.4", "C.5", "C.6"}


def test_a_phone_that_makes_up_a_nonce_each_time() -> None:
    """A lost reply to a refresh then ends its sign-in with a true server."""
    with trying() as server:
        phone = Careless(server)
        phone.sync()
        one = phone.act()
        for _ in range(4):  # lost, busy, and the token is over
            phone.sync(one, *([phone.act()] if phone.n < 2 else []))
        phone.renew("first")
        phone.renew("second")
        assert "C.9" in failed(server)


async def test_an_app_that_does_not_sign_in(tmp_path: Path) -> None:
    """A wrong code is refused, and nothing counts as tried."""
    with trying() as server:
        async with Handset(tmp_path / "phone", server.url) as phone:
            with pytest.raises(HandsetError):
                await phone.enrol("WRONG")
        assert not conforms(server.results())
