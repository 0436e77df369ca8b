"""The prepared round that a server is tried on, described in a JSON file.

    {"codes": ["…", …],            enrolment codes of one driver: 6, with 30 released stops or more
                                   that have no door (segments without codes)
     "others": ["…"],              a code of a second driver, who has stops too
     "doors": {"stop id": {"code": "123456", "qr": "DS1:…"}},   what customers hold, three or more
     "control": {"url": "http://…", "token": "…"}}              a supervisor's bearer token

Only ``codes`` is needed; checks that want more are skipped and say so.
"""

import json
from pathlib import Path

import msgspec

from backend.cli.conformance.kit.wire import Answer, Json, Wire


class Secrets(msgspec.Struct, frozen=True):
    """What the customer of a stop can say or show."""

    code: str | None = None
    qr: str | None = None


class Control(msgspec.Struct, frozen=True):
    """A way into the control room."""

    url: str
    token: str

    def ask(self, method: str, path: str, body: Json | None) -> Answer:
        """Make one call of the console's contract."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        raw = b"" if body is None else json.dumps(body).encode()
        return Wire(self.url).ask(method, f"/console/v1{path}", raw, headers)


class Round(msgspec.Struct, frozen=True):
    """What there is to try."""

    codes: list[str] = []
    others: list[str] = []
    doors: dict[str, Secrets] = {}
    control: Control | None = None


def read_round(path: Path) -> Round:
    """Read a description.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(path.read_bytes(), type=Round)
