"""What a device is told: a receipt for each mutation, and the reply around them (§2.2)."""

from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from sync.matrix import Outcome


class FindingOut(Struct, frozen=True):
    """A remark on the proof."""

    code: str
    severity: str
    detail: str = ""


class StopOut(Struct, frozen=True):
    """How a stop stands after a mutation."""

    id: UUID
    version: int
    state: str
    proof: str


class Receipt(Struct, frozen=True, kw_only=True):
    """The answer to one mutation; stored, and repeated as it was."""

    n: int | None
    id: str | None
    outcome: Outcome
    duplicate: bool = False
    code: str | None = None
    detail: str | None = None
    stop: StopOut | None = None
    findings: list[FindingOut] = []
    entry: str | None = None


class Put(Struct, frozen=True):
    """An entity as it is now."""

    type: str
    id: str
    v: int
    data: Any


class Remove(Struct, frozen=True):
    """An entity that left the scope."""

    type: str
    id: str


class WarningOut(Struct, frozen=True):
    """What the driver should see to."""

    code: str
    detail: str


class Reply(Struct, frozen=True, kw_only=True):
    """The answer to a sync call; ``wipe`` and ``warnings`` only where there is cause for them."""

    server_time: str
    epoch: UUID
    acked_n: int
    need_from: int | None
    receipts: list[Receipt]
    cursor: str | None = None
    reset: bool = False
    more: bool = False
    puts: list[Put] = []
    removes: list[Remove] = []
    digest: str | None = None
    upgrade: str | None = None
    evidence_wanted: list[str] = []
    wipe: str | UnsetType = UNSET
    warnings: list[WarningOut] | UnsetType = UNSET
