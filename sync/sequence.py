"""Where each element of a batch stands in its device's numbering. Pure, in array order.

Numbers are gapless per device. A repeat gets the stored answer; the same number with other content
is a fork and the first stays; after a gap nothing new is taken until the missing numbers come or
the device declares them lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sync.mutations import Heard, Mutation
from sync.words import LostEvents


class Standing(StrEnum):
    """What an element is, by its number and content."""

    NEW = "new"
    REPEAT = "repeat"
    KNOWN_ID = "known_id"
    FORK = "fork"
    ID_TAKEN = "id_taken"
    RANGE_CLOSED = "range_closed"
    GAP = "gap"
    NUMBERLESS = "numberless"


@dataclass(frozen=True, slots=True)
class Stored:
    """A mutation that was taken in before: its content, and its answer as wire JSON."""

    hash: bytes
    receipt: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Memory:
    """What was stored of this device and driver, as far as the batch touches it."""

    by_number: Mapping[int, Stored]
    beside: Mapping[bytes, Stored]
    by_id: Mapping[UUID, Stored]
    foreign_ids: frozenset[UUID]
    closed: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Placed:
    """An element and where it stands; ``stored`` is the answer to repeat, where there is one."""

    heard: Heard
    standing: Standing
    stored: Stored | None = None


class Sequence_:
    """Walks a device's numbers through one batch."""

    def __init__(self, acked_n: int, memory: Memory) -> None:
        self.acked_n = acked_n
        self.gapped = False
        self._memory = memory
        self._taken: dict[int, Heard] = {}
        self._ids: dict[UUID, Heard] = {}
