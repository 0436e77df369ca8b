"""What the server says, as the contract spells it; unknown members are ignored.

Entity data stays raw JSON until someone looks at it, so that a server may add members at any time
and a phone keeps exactly what it was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Body: TypeAlias = Mapping[str, Json]


class Finding(msgspec.Struct, frozen=True):
    code: str
    severity: str = ""
    detail: str | None = None


class StopEcho(msgspec.Struct, frozen=True):
    id: str
    version: int
    state: str
    proof: str


class Receipt(msgspec.Struct, frozen=True):
    outcome: str
    n: int | None = None
    id: str | None = None
    duplicate: bool = False
    code: str | None = None
    detail: str | None = None
    stop: StopEcho | None = None
    findings: list[Finding] = []
    entry: str | None = None

    @property
    def forked(self) -> bool:
        """The server has another act under this number: this phone is a copy, or one was made."""
        return self.code == "fork"

    @property
    def held_for_gap(self) -> bool:
        """Not stored by the server: the phone has to send it again."""
        return self.outcome == "held" and self.code == "gap"


class Put(msgspec.Struct, frozen=True):
    type: str
    id: str
    v: int
    data: msgspec.Raw


class Remove(msgspec.Struct, frozen=True):
    type: str
    id: str


class Warned(msgspec.Struct, frozen=True):
    code: str
    detail: str = ""


class Reply(msgspec.Struct, frozen=True):
    server_time: str
    epoch: str
    acked_n: int
    need_from: int | None = None
    receipts: list[Receipt] = []
    cursor: str | None = None
    reset: bool = False
    more: bool = False
    puts: list[Put] = []
    removes: list[Remove] = []
    digest: str | None = None
    upgrade: msgspec.Raw | None = None
    evidence_wanted: list[str] = []
    wipe: str | None = None
    warnings: list[Warned] = []


class Tokens(msgspec.Struct, frozen=True):
    """The answer to enrolment and to refresh."""

    device_id: str
    driver_id: str
    access_token: str
    access_expires_at: str
    refresh_token: str
    server_time: str
    epoch: str


class ProblemBody(msgspec.Struct, frozen=True):
    code: str = "unknown"
    title: str = ""
    detail: str = ""


class EvidenceStatus(msgspec.Struct, frozen=True):
    state: str
    offset: int = 0
    size: int = 0
