"""Where each element of a batch stands in its device's numbering, in array order. No I/O.

Numbers are gapless per device. A repeat gets the stored answer; the same number with other content
is a fork and the first stays; after a gap nothing new is taken until the missing numbers come or
the device declares them lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sync.mutations import Heard
from sync.receipts import Receipt


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
    """A mutation that was taken in before: its content and its answer."""

    hash: bytes
    receipt: Receipt


@dataclass(slots=True)
class Memory:
    """What was taken in of this device, as far as a batch touches it.

    ``beside`` holds what has no number of its own (forks, numberless ones), by content. ``by_id``
    holds answers given to the same driver's other devices. ``taken_ids`` are ids that other numbers
    of this device have; ``foreign_ids`` came from other drivers, who cannot take an id away from
    the driver whose event it names. ``aside`` says which device quarantined which content of an id
    without giving it a number; should the id be taken in now, nobody needs to look at that.
    """

    by_number: dict[int, Stored] = field(default_factory=dict)
    beside: dict[bytes, Stored] = field(default_factory=dict)
    by_id: dict[UUID, Stored] = field(default_factory=dict)
    taken_ids: set[UUID] = field(default_factory=set)
    foreign_ids: set[UUID] = field(default_factory=set)
    aside: dict[UUID, list[tuple[UUID, bytes]]] = field(default_factory=dict)
    closed: list[tuple[int, int]] = field(default_factory=list)


class Numbering:
    """Walks a device's numbers through a batch; what is taken in on the way is remembered.

    With ``flush`` no gap holds anything: nothing of a revoked device takes effect any more, so its
    last words need no order, only a place to be kept.
    """

    def __init__(
        self, acked_n: int, memory: Memory, *, gapped: bool = False, flush: bool = False
    ) -> None:
        self.acked_n = acked_n
        self.gapped = gapped
        self._memory = memory
        self._flush = flush

    @property
    def need_from(self) -> int | None:
        """The first missing number, if there was a gap."""
        return self.acked_n + 1 if self.gapped else None

    def aside(self, heard: Heard) -> Sequence[tuple[UUID, bytes]]:
        """Return what was quarantined of this very act, when it had no place."""
        return self._memory.aside.get(heard.id, ()) if heard.id else ()

    def place(self, heard: Heard) -> tuple[Standing, Stored | None]:
        """Say where the next element stands, and the stored answer if there is one."""
        beside = self._memory.beside.get(heard.hash)
        if heard.n is None:
            return (Standing.REPEAT, beside) if beside else (Standing.NUMBERLESS, None)
        if heard.n <= self.acked_n:
            return self._past(heard, heard.n, beside)
        if not self._flush and (self.gapped or heard.n != self.acked_n + 1):
            self.gapped = True
            return Standing.GAP, None
        return self._next(heard)

    def _past(self, heard: Heard, n: int, beside: Stored | None) -> tuple[Standing, Stored | None]:
        stored = self._memory.by_number.get(n)
        if stored is not None and stored.hash == heard.hash:
            return Standing.REPEAT, stored
        if beside is not None:
            return Standing.REPEAT, beside
        closed = any(first <= n <= last for first, last in self._memory.closed)
        return (Standing.RANGE_CLOSED if closed else Standing.FORK), None

    def _next(self, heard: Heard) -> tuple[Standing, Stored | None]:
        if heard.id is None:
            return Standing.NEW, None
        if heard.id in self._memory.taken_ids:
            return Standing.ID_TAKEN, None
        if known := self._memory.by_id.get(heard.id):
            return Standing.KNOWN_ID, known
        foreign = heard.id in self._memory.foreign_ids
        return (Standing.ID_TAKEN if foreign else Standing.NEW), None

    def take(self, heard: Heard, receipt: Receipt, *, closes_to: int | None = None) -> None:
        """Remember an answer; a number that was next is now taken."""
        stored = Stored(heard.hash, receipt)
        if heard.n is None or heard.n <= self.acked_n:
            self._memory.beside[heard.hash] = stored
            return
        self._memory.by_number[heard.n] = stored
        self.acked_n = heard.n
        if heard.id is not None:
            self._memory.taken_ids.add(heard.id)
        if closes_to is not None:
            self._memory.closed.append((heard.n, closes_to))
            self.acked_n = closes_to
